"""Reordering by a cross-encoder that reads the question and the passage together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log

from retrieval.types import Hit, ScorePairs

_EDGE = 1e-6  # from where on a probability is taken for certain


def rerank(
    question: str, hits: Sequence[Hit], score_pairs: ScorePairs, fused_weight: float = 0.0
) -> list[Hit]:
    """The same hits with `rerank` filled in, best first; equals keep their order.

    The order is that of the cross-encoder's log-odds plus `fused_weight` times the fused score: on subjects
    far from its training it knows less than the searches do (decision 0022). A carried passage counts as the
    best fused one. The score itself, which the evidence gate reads, is the cross-encoder's alone.
    """
    if not hits:
        return []
    scores = score_pairs([(question, hit.chunk.text) for hit in hits])
    scored = [replace(hit, rerank=float(score)) for hit, score in zip(hits, scores, strict=True)]
    best_fused = max(hit.fused for hit in hits)

    def standing(hit: Hit) -> float:
        return _log_odds(hit.rerank or 0.0) + fused_weight * (best_fused if hit.carried else hit.fused)

    return sorted(scored, key=standing, reverse=True)


def best_rerank(hits: Iterable[Hit]) -> float | None:
    """The highest of the cross-encoder's scores; None where it read nothing."""
    return max((hit.rerank for hit in hits if hit.rerank is not None), default=None)


def _log_odds(probability: float) -> float:
    p = min(max(probability, _EDGE), 1 - _EDGE)
    return log(p / (1 - p))
