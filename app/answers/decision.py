"""Whether to refuse: the one place that weighs what is known about a question. Pure.

It is asked twice: before anything is written, on what search found, and after the claims have been checked.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.answers.types import Draft, RefusalReason
from retrieval.types import SearchResult


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known when it is decided; what is not known yet is None."""

    passages: int  # found
    best_score: float | None  # calibrated rerank probability, 0..1
    threshold: float
    enough_evidence: bool
    support: tuple[float, ...] | None = None  # of each claim by its best passage; empty: nothing was written

    @classmethod
    def before_writing(cls, result: SearchResult) -> Signals:
        return cls(len(result.hits), result.best_score, result.threshold, result.enough_evidence)

    @classmethod
    def after_checking(cls, result: SearchResult, draft: Draft) -> Signals:
        return cls(
            len(result.hits),
            result.best_score,
            result.threshold,
            result.enough_evidence,
            support=tuple(footnote.score for footnote in draft.footnotes),
        )


def decide(signals: Signals) -> RefusalReason | None:
    """Why to refuse; None answers."""
    if not signals.passages:
        return "no_passages"
    if not signals.enough_evidence:
        return "weak_evidence"
    if signals.support is not None and not signals.support:
        return "no_answer_found"
    return None
