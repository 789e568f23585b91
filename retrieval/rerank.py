"""Reordering by a cross-encoder that reads the question and the passage together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retrieval.types import Hit, ScorePairs


def rerank(question: str, hits: Sequence[Hit], score_pairs: ScorePairs) -> list[Hit]:
    """The same hits with `rerank` filled in, best first; equal scores keep their order."""
    if not hits:
        return []
    scores = score_pairs([(question, hit.chunk.text) for hit in hits])
    scored = [replace(hit, rerank=float(score)) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -(hit.rerank or 0.0))
