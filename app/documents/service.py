"""Rules of documents: who may see one, what is shown of it, when it may be retried."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections.service import require
from app.documents import repository, uploads
from app.documents.schemas import CancelResult, DocumentList, DocumentOut, DocumentQuery, RetryResult
from app.errors import Conflict, DocumentNotFound, NotFound
from app.jobs import cancelling
from app.jobs.schemas import JobProgressOut
from app.tables import Document, DocumentPage, Job


class PageNotFound(NotFound):
    code = "page_not_found"
    default_next_step = "Read `page_count` of the document."


def get_row(session: Session, user: Account, document_id: int) -> Document:
    """Raises DocumentNotFound, also for another owner's document."""
    document = repository.get(session, user.id, document_id)
    if document is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    return document


def get(session: Session, user: Account, document_id: int) -> DocumentOut:
    return _shown(session, [get_row(session, user, document_id)])[0]


def list_page(session: Session, user: Account, query: DocumentQuery) -> DocumentList:
    """Raises CollectionNotFound when the collection is not the user's."""
    if query.collection_id is not None:
        require(session, user, query.collection_id)
    rows, total = repository.list_page(
        session,
        user.id,
        collection_id=query.collection_id,
        status=query.status,
        limit=query.limit,
        offset=query.offset,
    )
    return DocumentList(items=_shown(session, rows), total=total)


def retry(session: Session, user: Account, document_id: int) -> RetryResult:
    """Queues a failed document again; raises Conflict in any other state."""
    document = repository.lock(session, get_row(session, user, document_id).id)
    if document is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    if document.status != "failed":
        raise Conflict(
            f"Document {document_id} is {document.status}; only a failed one can be retried.",
            next_step="Wait for it, or delete it and upload the file again.",
        )
    return RetryResult(document_id=document.id, job_id=uploads.retry(session, document))


def cancel(session: Session, user: Account, document_id: int) -> CancelResult:
    """Stops the reading of a document, whether it waits or runs; a document at rest stays as it is."""
    document = repository.lock(session, get_row(session, user, document_id).id)
    if document is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    return CancelResult(document_id=document.id, cancelled=cancelling.cancel(session, document))


def get_page(session: Session, user: Account, document_id: int, number: int) -> DocumentPage:
    """Raises DocumentNotFound or PageNotFound."""
    document = get_row(session, user, document_id)
    page = repository.get_page(session, document.id, number)
    if page is None:
        raise PageNotFound(f"Document {document_id} has no page {number}.")
    return page


def _shown(session: Session, rows: Sequence[Document]) -> list[DocumentOut]:
    busy = [row.id for row in rows if row.status in {"queued", "processing"}]
    jobs = repository.latest_jobs(session, busy) if busy else {}
    return [
        DocumentOut.model_validate(row).model_copy(update={"progress": _progress(jobs.get(row.id))})
        for row in rows
    ]


def _progress(job: Job | None) -> JobProgressOut | None:
    return None if job is None else JobProgressOut.of(job)
