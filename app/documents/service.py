"""Rules of documents: who may see one, what is shown of it, when it may be retried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections.service import require
from app.db import WriteLock, take_lock
from app.documents import alike, repository, uploads, versions
from app.documents.file_names import clean_file_name
from app.documents.schemas import (
    CancelResult,
    DocumentList,
    DocumentOut,
    DocumentQuery,
    RetryResult,
    SimilarDocument,
)
from app.documents.version_schemas import (
    CheckedFile,
    FileCheck,
    FileCheckResult,
    FileToCheck,
    VersionList,
    VersionOut,
)
from app.errors import AppError, Conflict, DocumentNotFound, NotFound
from app.jobs import cancelling
from app.jobs import repository as jobs
from app.jobs.schemas import JobProgressOut
from app.tables import Document, DocumentPage, DocumentVersion, Job


class PageNotFound(NotFound):
    code = "page_not_found"
    default_next_step = "Read `page_count` of the document."


class VersionNotFound(NotFound):
    code = "version_not_found"
    default_next_step = "List versions with GET /v1/documents/{id}/versions."


class VersionPurged(AppError):
    """This version was replaced, and its pages and bytes are no longer kept."""

    status_code = 410
    code = "version_purged"
    default_next_step = "Read the words that the citation keeps, or the version that answers now."


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


def retry(session: Session, user: Account, document_id: int, password: str | None = None) -> RetryResult:
    """Reads a document again from now on, with the password of its file: what failed is queued, what waits
    for its next try waits no longer, what is being read is begun anew.

    Raises Conflict for one that is ready.
    """
    document = repository.lock(session, get_row(session, user, document_id).id)
    if document is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    if document.status == "ready":
        raise Conflict(
            f"Document {document_id} is ready; there is nothing to try again.",
            next_step="Upload the file with on_existing=replace to have it read as a new version.",
        )
    return RetryResult(document_id=document.id, job_id=_try_now(session, document, password))


def _try_now(session: Session, document: Document, password: str | None) -> int:
    """The job that reads it; a waiting one is kept, with what its last try has left."""
    if document.status == "queued" and (job_id := jobs.hurry(session, document.id)) is not None:
        if password is not None:
            versions.set_password(session, document, password)
        return job_id
    cancelling.cancel(session, document)
    return uploads.retry(session, document, password)


def cancel(session: Session, user: Account, document_id: int) -> CancelResult:
    """Stops the reading of a document, whether it waits or runs; a document at rest stays as it is."""
    document = repository.lock(session, get_row(session, user, document_id).id)
    if document is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    return CancelResult(document_id=document.id, cancelled=cancelling.cancel(session, document))


def get_version(session: Session, user: Account, document_id: int, number: int | None) -> DocumentVersion:
    """That version; without a number the one that answers, or the newest where none has been read.

    Raises DocumentNotFound, VersionNotFound, or VersionPurged when its pages and bytes are gone.
    """
    document = get_row(session, user, document_id)
    found = versions.get(session, document_id, number or document.ready_version or document.version)
    if found is None:
        raise VersionNotFound(f"Document {document_id} has no version {number}.")
    if found.purged_at is not None:
        raise VersionPurged(
            f"Version {found.number} of {found.file_name} was replaced and its bytes are no longer kept.",
            ready_version=document.ready_version,
        )
    return found


def get_page(session: Session, version: DocumentVersion, number: int) -> DocumentPage:
    """Raises PageNotFound."""
    page = repository.get_page(session, version.document_id, version.number, number)
    if page is None:
        raise PageNotFound(f"Document {version.document_id} has no page {number}.")
    return page


def list_versions(session: Session, user: Account, document_id: int) -> VersionList:
    """Every version that was not given up, newest first."""
    document = get_row(session, user, document_id)
    rows = versions.list_of(session, document.id)
    return VersionList(items=[VersionOut.model_validate(row) for row in rows])


def drop_version(session: Session, user: Account, document_id: int) -> DocumentOut:
    """Gives up the version that waits, is being read or has failed; the ready one stays.

    Raises Conflict when there is no such version, or none to stay.
    """
    take_lock(session, WriteLock.BLOBS)  # before the document, as uploads do: they give out copy numbers
    document = repository.lock(session, get_row(session, user, document_id).id)
    if document is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    if not versions.go_back(session, document):
        raise Conflict(
            f"Document {document_id} has no version that could be given up for another.",
            next_step="Delete the document, or upload its next version with on_existing=replace.",
        )
    session.flush()
    return _shown(session, [document])[0]


def check_files(session: Session, user: Account, asked: FileCheck) -> FileCheckResult:
    """What the collection knows of each file, found by digest and name alone."""
    collection_id = require(session, user, asked.collection_id)
    return FileCheckResult(files=[_checked(session, collection_id, file) for file in asked.files])


def _checked(session: Session, collection_id: int, file: FileToCheck) -> CheckedFile:
    name = clean_file_name(file.file_name)
    same_bytes = repository.get_by_sha256(session, collection_id, file.sha256)
    found = same_bytes or repository.get_by_name(session, collection_id, name)
    match: Literal["none", "same_bytes", "same_name"] = "same_bytes" if same_bytes else "same_name"
    return CheckedFile(
        file_name=name,
        match="none" if found is None else match,
        document_id=None if found is None else found.id,
        document_name=None if found is None else found.file_name,
        version=None if found is None else found.version,
        status=None if found is None else found.status,  # type: ignore[arg-type]  # checked by pydantic
    )


def _shown(session: Session, rows: Sequence[Document]) -> list[DocumentOut]:
    busy = [row.id for row in rows if row.status in {"queued", "processing"}]
    latest = repository.latest_jobs(session, busy) if busy else {}
    similar = alike.of_documents(session, [row.id for row in rows])
    return [
        DocumentOut.model_validate(row).model_copy(
            update={
                "progress": _progress(latest.get(row.id)),
                "similar": [SimilarDocument.model_validate(other) for other in similar.get(row.id, ())],
            }
        )
        for row in rows
    ]


def _progress(job: Job | None) -> JobProgressOut | None:
    return None if job is None else JobProgressOut.of(job)
