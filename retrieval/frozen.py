"""The content of an index at one moment, readable without a lock while the index goes on changing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vectors
from retrieval.vector_file import VectorFile

_BLOCK_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Frozen:
    """Rows of a vector file that lived at that moment."""

    vectors: VectorFile
    rows: NDArray[np.int64]  # ascending
    chunk_ids: NDArray[np.int64]  # of those rows, in their order
    runs: NDArray[np.int64]  # whose they are, as `DocumentRows` writes it

    def blocks(self) -> Iterator[Vectors]:
        """Every vector in order, a few thousand at a time."""
        for start in range(0, len(self.rows), _BLOCK_ROWS):
            yield self.vectors.read(self.rows[start : start + _BLOCK_ROWS])

    def sample(self, count: int, *, seed: int) -> Vectors:
        """Some of the vectors, drawn at random; all of them when `count` is more than there are."""
        drawn = np.random.default_rng(seed).permutation(len(self.rows))[:count]
        return self.vectors.read(self.rows[np.sort(drawn)])
