"""Reciprocal rank fusion: several rankings become one without comparing their scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from retrieval.types import ScoredId


def reciprocal_rank_fusion(rankings: Sequence[Sequence[ScoredId]], k: int) -> list[ScoredId]:
    """Chunks by the sum of 1 / (k + rank) over the rankings that hold them, rank from 1, best first.

    Cormack, Clarke and Buettcher, SIGIR 2009. Equal sums are ordered by chunk id.
    """
    sums: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            sums[hit.chunk_id] += 1.0 / (k + rank)
    fused = (ScoredId(chunk_id, score) for chunk_id, score in sums.items())
    return sorted(fused, key=lambda hit: (-hit.score, hit.chunk_id))
