"""Why there is no answer, in numbers and names that a person can act on."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.answers import repository
from app.answers.types import Refusal, RefusalReason
from retrieval.types import AccessFilter, SearchResult


def why_not_found(
    session: Session, access: AccessFilter, result: SearchResult, reason: RefusalReason
) -> Refusal:
    """The reason with the figures behind it."""
    counts = repository.count_documents(session, access)
    ready = counts.get("ready", 0)
    return Refusal(
        reason="no_documents" if reason == "no_passages" and not ready else reason,
        best_score=result.best_score,
        threshold=result.threshold,
        documents_ready=ready,
        documents_pending=counts.get("queued", 0) + counts.get("processing", 0),
        documents_failed=counts.get("failed", 0),
    )
