"""Registers received files: duplicate check, bytes, document and job in one transaction each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session, sessionmaker

from app.accounts.types import Account
from app.collections.service import hold, require
from app.db import WriteLock, take_lock
from app.documents import repository, versions
from app.documents.blobs import BlobStore, StagedBlob
from app.documents.identity import Known, OnExisting, decide
from app.documents.removal import collect_garbage
from app.errors import AppError, DocumentNotFound
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
    version: int | None = None
    same_name_as: int | None = None  # a document that this file could be a new version of


def register(
    sessions: sessionmaker[Session],
    blobs: BlobStore,
    user: Account,
    collection_id: int | None,
    file_name: str,
    staged: StagedBlob,
    *,
    on_existing: OnExisting = "skip",
    document_id: int | None = None,
    password: str | None = None,
) -> UploadOutcome:
    """Makes a document, a version or nothing of staged bytes, before any work; `decide` says which.

    `document_id` names the document that `replace` is about, `password` opens a protected file. A duplicate
    of a failed document is tried again. Raises FileEmpty, CollectionNotFound, DocumentNotFound or
    StorageFull, and then keeps nothing.
    """
    published = False
    try:
        if staged.size_bytes == 0:
            raise FileEmpty("The file is empty.")
        with sessions.begin() as session:
            take_lock(session, WriteLock.BLOBS)
            collection_id = require(session, user, collection_id)
            hold(session, user, collection_id)
            known = _known(session, user, collection_id, file_name, staged.sha256, document_id)
            published = not blobs.has(staged)
            if published:  # also restores bytes that were lost or cut off
                blobs.publish(staged)
            decision = decide(known, staged.sha256, on_existing)
            match decision.action, decision.document:
                case "skip", Document() as document:
                    return UploadOutcome(file_name, "duplicate", document.id, version=document.version)
                case "retry", Document() as document:
                    job_id = retry(session, document, password)
                case "new_version", Document() as document:
                    job_id = versions.begin(
                        session, document, file_name, staged.sha256, staged.size_bytes, password
                    )
                case _:
                    document, job_id = _first_time(session, user, collection_id, file_name, staged, password)
            offer = None if decision.offer is None else decision.offer.id
            return UploadOutcome(
                file_name, "queued", document.id, job_id, version=document.version, same_name_as=offer
            )
    except BaseException:
        if published:
            collect_garbage(sessions, blobs, [staged.sha256])
        raise
    finally:
        staged.discard()


def retry(session: Session, document: Document, password: str | None = None) -> int:
    """Queues a failed document again; returns the job's id. It stays the same document and version.

    A `password` takes the place of the one given before.
    """
    if password is not None:
        versions.set_password(session, document, password)
    document.status, document.error = "queued", None
    return jobs.enqueue(session, document.owner_id, document.id).id


def _known(
    session: Session, user: Account, collection_id: int, file_name: str, sha256: str, document_id: int | None
) -> Known:
    """What there is, each row held until the transaction ends; one deleted meanwhile counts as gone."""
    named, same_bytes, same_name = _held(
        session,
        None if document_id is None else repository.get(session, user.id, document_id),
        repository.get_by_sha256(session, collection_id, sha256),
        repository.get_by_name(session, collection_id, file_name),
    )
    if document_id is not None and (named is None or named.collection_id != collection_id):
        raise DocumentNotFound(f"There is no document {document_id} in this collection.")
    return Known(named=named, same_bytes=same_bytes, same_name=same_name)


def _held(session: Session, *found: Document | None) -> list[Document | None]:
    """Each of them held, in the order in which deletions hold them: neither then waits for the other."""
    ids = sorted({document.id for document in found if document is not None})
    rows = {document_id: repository.lock(session, document_id) for document_id in ids}
    return [None if document is None else rows[document.id] for document in found]


def _first_time(
    session: Session,
    user: Account,
    collection_id: int,
    file_name: str,
    staged: StagedBlob,
    password: str | None,
) -> tuple[Document, int]:
    document = Document(
        owner_id=user.id,
        collection_id=collection_id,
        file_name=file_name,
        sha256=staged.sha256,
        size_bytes=staged.size_bytes,
        copy=versions.free_copy(session, collection_id, staged.sha256),
    )
    session.add(document)
    session.flush()
    versions.add_first(session, document, password)
    return document, jobs.enqueue(session, user.id, document.id).id
