"""Deleting documents: one transaction hides and purges, the bytes go after the commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session, sessionmaker

from app.accounts.types import Account
from app.db import WriteLock, take_lock
from app.documents import index_log, repository
from app.documents.blobs import BlobStore
from app.errors import DocumentNotFound
from app.jobs import repository as jobs
from app.tables import Document


def delete_document(session: Session, user: Account, document_id: int) -> str:
    """Purges the document in any state; returns its digest for `collect_garbage` after the commit.

    A worker that is busy with it notices that its job is gone and stops. Raises DocumentNotFound.
    """
    if repository.get(session, user.id, document_id) is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    document = repository.lock(session, document_id)
    if document is None:  # deleted by another request in between
        raise DocumentNotFound(f"There is no document {document_id}.")
    return _purge(session, [document])[0]


def delete_documents(session: Session, user: Account, document_ids: Iterable[int]) -> list[str]:
    """Purges those of the documents that are the user's and still there; returns their digests."""
    owned = sorted(repository.owned_ids(session, user.id, document_ids))
    documents = [row for document_id in owned if (row := repository.lock(session, document_id)) is not None]
    return _purge(session, documents)


def delete_all_of_collection(session: Session, user: Account, collection_id: int) -> list[str]:
    """Purges every document of the collection; returns their digests."""
    rows = repository.list_of_collection(session, user.id, collection_id)
    return delete_documents(session, user, [row.id for row in rows])


def collect_garbage(sessions: sessionmaker[Session], blobs: BlobStore, digests: Iterable[str]) -> None:
    """Removes the bytes that no live document uses; `footnote doctor` finds what a crash leaves here."""
    with sessions.begin() as session:
        take_lock(session, WriteLock.BLOBS)
        for sha256 in digests:
            if not repository.sha256_in_use(session, sha256):
                blobs.delete(sha256)


def _purge(session: Session, documents: Sequence[Document]) -> list[str]:
    """All rows are locked before the index log is: two deletions can never wait for each other."""
    for document in documents:
        jobs.delete_of_document(session, document.id)
        repository.purge_content(session, document.id)
        repository.mark_deleted(session, document.id)
    for document in documents:
        index_log.append(session, document.owner_id, document.id, "delete")
    return [document.sha256 for document in documents]
