"""Why there is no answer, in numbers and names that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.answers.scope_report import coverage, failed_files, filters, pending_files
from app.answers.types import Command, Draft, NearMiss, Passage, Refusal, RefusalReason
from retrieval.types import AccessFilter, SearchResult


def why_not_found(
    session: Session,
    command: Command,
    access: AccessFilter,
    result: SearchResult,
    draft: Draft,
    reason: RefusalReason,
) -> Refusal:
    """The reason, the passages that came close, and the files that could not be searched."""
    seen = draft.coverage or coverage(session, access)
    return Refusal(
        reason="no_documents" if reason == "no_passages" and not seen.searched else reason,
        best_score=result.best_score,
        threshold=result.threshold,
        documents_ready=seen.searched,
        documents_pending=seen.pending,
        documents_failed=seen.failed,
        near_misses=near_misses(draft.sources, result.threshold),
        filters=filters(session, command),
        failed_files=failed_files(session, access),
        pending_files=pending_files(session, access),
    )


def near_misses(found: Sequence[Passage], threshold: float) -> tuple[NearMiss, ...]:
    """The passages that were read by the reranker, best first."""
    return tuple(
        NearMiss(
            passage.number,
            passage.chunk.file_name,
            passage.chunk.page_first,
            passage.score,
            max(0.0, threshold - passage.score),
        )
        for passage in found
        if passage.score is not None
    )
