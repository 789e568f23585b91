"""What is kept of a passage that was read as a text of its own."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """Keys and values [layers, T, K, D] of one passage; its first token is at position 0."""

    keys: Tensor
    values: Tensor

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.keys.nbytes + self.values.nbytes
