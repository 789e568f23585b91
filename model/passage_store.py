"""Keys and values of passages that were read before, so that no passage is read twice.

Under the block mask a passage sees only itself, so what was computed once holds in every prompt; its keys are
turned to the place where it stands there (Block-Attention, arXiv 2409.15355).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
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


class PassageStore:
    """Passages by their tokens under a byte budget; the least recently used go first."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._passages: OrderedDict[tuple[int, ...], StoredPassage] = OrderedDict()
        self.bytes = self.hits = self.misses = self.evictions = 0

    def __len__(self) -> int:
        return len(self._passages)

    def __contains__(self, tokens: Sequence[int]) -> bool:
        """True when the passage is here; asking is no use of it."""
        return tuple(tokens) in self._passages

    def get(self, tokens: Sequence[int]) -> StoredPassage | None:
        """The passage of these tokens, if it is still here."""
        key = tuple(tokens)
        found = self._passages.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._passages.move_to_end(key)
        return found

    def clear(self) -> None:
        """Forget every passage: one of them may have been deleted."""
        self._passages.clear()
        self.bytes = 0

    def put(self, tokens: Sequence[int], stored: StoredPassage) -> None:
        """Keep a passage; one that is larger than the whole budget is not kept."""
        key = tuple(tokens)
        if stored.bytes > self._budget_bytes or key in self._passages:
            return
        self._passages[key] = stored
        self.bytes += stored.bytes
        while self.bytes > self._budget_bytes:
            _, oldest = self._passages.popitem(last=False)
            self.bytes -= oldest.bytes
            self.evictions += 1
