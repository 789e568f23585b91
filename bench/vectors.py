"""Vectors shaped like those of text, for sizes that nobody wants to embed first.

Share of the true ten nearest when the nearest lists are scanned until they hold 2, 5, 10, 20, 30, 50% of all
vectors, then the share that 99% need; 300 questions each:

| | 2% | 5% | 10% | 20% | 30% | 50% | 99% need |
|---|---|---|---|---|---|---|---|
| 50,000 real sentences, real questions | 0.721 | 0.891 | 0.962 | 0.988 | 0.991 | 0.997 | 0.25 |
| `SentenceLike`, as many | 0.651 | 0.860 | 0.946 | 0.986 | 0.995 | 0.999 | 0.23 |
| `TextLike`, as many | 0.632 | 0.776 | 0.852 | 0.934 | 0.965 | 0.987 | 0.54 |
| 200,000 real sentences | 0.825 | 0.931 | 0.978 | 0.992 | 0.995 | 0.998 | 0.19 |

Real recall grows with the collection; not here. `TextLike` was made to need as many *lists* as 40,000 real
passages, but its lists near a question are the long ones: by vectors it is twice as hard as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from retrieval.types import Vectors

DIMENSION = 384
BLOCK = 20_000


class VectorSource(Protocol):
    """Where a benchmark's vectors come from."""

    def draw(self, count: int, *, seed: int) -> Vectors:
        """float32 [count, DIMENSION] of unit length to ask with; the same for the same seed."""

    def blocks(self, count: int) -> Iterator[Vectors]:
        """`count` vectors to search in, a block at a time."""


class TextLike:
    """Topics of unequal size, passages around them, a decaying spectrum turned at random."""

    passages = 27  # a topic
    decay = 0.4  # of the spectrum, by the power of its rank
    noise = 0.8  # of a passage around its topic

    def __init__(self, count: int) -> None:
        """For collections of about `count` vectors."""
        drawn = np.random.default_rng(count)
        spectrum = (1.0 + np.arange(DIMENSION)) ** -self.decay
        spectrum /= np.linalg.norm(spectrum)
        turn = np.linalg.qr(drawn.standard_normal((DIMENSION, DIMENSION)))[0]
        self._shape = (spectrum[:, None] * turn).astype(np.float32)
        topics = max(2, count // self.passages)
        self._topics = drawn.standard_normal((topics, DIMENSION), dtype=np.float32) @ self._shape
        weights = (1.0 + np.arange(topics)) ** -0.5
        self._weights = weights / weights.sum()

    def draw(self, count: int, *, seed: int) -> Vectors:
        """float32 [count, DIMENSION] of unit length; the same for the same seed."""
        drawn = np.random.default_rng(seed)
        topics = drawn.choice(len(self._topics), count, p=self._weights)
        spread = self.noise * drawn.gamma(3.0, 1 / 3, (count, 1)).astype(np.float32)
        noise = drawn.standard_normal((count, DIMENSION), dtype=np.float32) @ self._shape
        return _unit(self._topics[topics] + spread * noise)

    def blocks(self, count: int) -> Iterator[Vectors]:
        """`count` vectors, a block at a time; seeds from 1 on, so that seed 0 is left for questions."""
        for number, start in enumerate(range(0, count, BLOCK), start=1):
            yield self.draw(min(BLOCK, count - start), seed=number)


class SentenceLike(TextLike):
    """As much of a search as real sentences take."""

    decay = 0.7


class Clustered(TextLike):
    """Few topics of many passages, as indexes are often measured on: few lists hold all that is near."""

    passages = 1000


class Noise(TextLike):
    """Directions without any structure: what no list and no code can summarise."""

    def draw(self, count: int, *, seed: int) -> Vectors:
        drawn = np.random.default_rng(seed)
        return _unit(drawn.standard_normal((count, DIMENSION), dtype=np.float32))


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
