"""Registers received files: duplicate check, bytes, document and job in one transaction each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session, sessionmaker

from app.accounts.types import Account
from app.collections.service import require
from app.db import WriteLock, take_lock
from app.documents import repository
from app.documents.blobs import BlobStore, StagedBlob
from app.documents.removal import collect_garbage
from app.errors import AppError
from app.jobs import repository as jobs
from app.tables import Document


class FileEmpty(AppError):
    status_code = 422
    code = "file_empty"
    stage = "stored"
    default_next_step = "Check the file and upload it again."


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    """What became of one file; `error` is set exactly when it was rejected."""

    file_name: str
    status: Literal["queued", "duplicate", "rejected"]
    document_id: int | None = None
    job_id: int | None = None
    error: AppError | None = None


def register(
    sessions: sessionmaker[Session],
    blobs: BlobStore,
    user: Account,
    collection_id: int | None,
    file_name: str,
    staged: StagedBlob,
    *,
    version: int = 1,
) -> UploadOutcome:
    """Makes a document and a job of staged bytes, unless the collection has those bytes already.

    A duplicate of a failed document is tried again instead. Raises FileEmpty, CollectionNotFound or
    StorageFull, and then keeps nothing.
    """
    try:
        if staged.size_bytes == 0:
            raise FileEmpty("The file is empty.")
        with sessions.begin() as session:
            take_lock(session, WriteLock.BLOBS)
            collection_id = require(session, user, collection_id)
            known = repository.get_by_sha256(session, collection_id, staged.sha256)
            if known is not None and repository.lock(session, known.id) is not None:
                return _again(session, blobs, known, file_name, staged)
            blobs.publish(staged)
            return _first_time(session, user, collection_id, file_name, staged, version)
    except BaseException:
        collect_garbage(sessions, blobs, [staged.sha256])
        raise
    finally:
        staged.discard()


def retry(session: Session, document: Document) -> int:
    """Queues a failed document again; returns the job's id. It stays the same document."""
    document.status, document.error = "queued", None
    return jobs.enqueue(session, document.owner_id, document.id).id


def _first_time(
    session: Session, user: Account, collection_id: int, file_name: str, staged: StagedBlob, version: int
) -> UploadOutcome:
    document = Document(
        owner_id=user.id,
        collection_id=collection_id,
        file_name=file_name,
        sha256=staged.sha256,
        size_bytes=staged.size_bytes,
        version=version,
    )
    session.add(document)
    session.flush()
    job = jobs.enqueue(session, user.id, document.id)
    return UploadOutcome(file_name, "queued", document.id, job.id)


def _again(
    session: Session, blobs: BlobStore, known: Document, file_name: str, staged: StagedBlob
) -> UploadOutcome:
    if not blobs.path(staged.sha256).exists():  # the bytes were lost: this upload restores them
        blobs.publish(staged)
    if known.status == "failed":
        return UploadOutcome(file_name, "queued", known.id, retry(session, known))
    return UploadOutcome(file_name, "duplicate", known.id)
