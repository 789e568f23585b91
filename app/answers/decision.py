"""Whether to refuse: the one place that weighs what is known about a question. Pure.

It is asked twice: before anything is written, on what search found, and after the claims have been checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.answers.types import Command, Draft, RefusalReason
from retrieval.types import SearchResult


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known when it is decided; what is not known yet is None."""

    passages: int  # found
    best_score: float | None  # calibrated rerank probability, 0..1
    threshold: float
    enough_evidence: bool
    answer_anyway: bool  # the asker prefers a weak answer to none
    support: tuple[float, ...] | None = None  # of each claim by its best passage; empty: nothing is claimed
    removed: int = 0  # claims that were written, but are not supported and were taken out

    @classmethod
    def before_writing(cls, result: SearchResult, command: Command) -> Signals:
        return cls(
            passages=len(result.hits),
            best_score=result.best_score,
            threshold=result.threshold,
            enough_evidence=result.enough_evidence,
            answer_anyway=command.answer_anyway,
        )

    def after_checking(self, draft: Draft) -> Signals:
        return replace(
            self,
            support=tuple(checked.score for checked in draft.claims),
            removed=len(draft.removed_claims),
        )


def decide(signals: Signals) -> RefusalReason | None:
    """Why to refuse; None answers."""
    if not signals.passages:
        return "no_passages"
    if not signals.enough_evidence and not signals.answer_anyway:
        return "weak_evidence"
    if signals.support is not None and not signals.support:
        return "no_supported_claim" if signals.removed else "no_answer_found"
    return None
