"""Stopping the reading of a document: one transaction, whoever works on it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.documents import repository as documents
from app.jobs import repository
from app.jobs.failures import cancelled
from app.tables import Document


def cancel(session: Session, document: Document) -> bool:
    """Ends the waiting or running job of a locked document; False when it had none.

    The document is `failed` with the code `cancelled` and can be retried or deleted. The worker, if one is
    at it, stores nothing from here on and stops at its next step.
    """
    job = documents.latest_jobs(session, [document.id]).get(document.id)
    if job is None:
        return False
    error = cancelled(job.stage, document.file_name).as_error()
    if not repository.cancel(session, document.id, error):
        return False
    document.status, document.error = "failed", error
    return True
