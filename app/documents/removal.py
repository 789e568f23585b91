"""Deleting documents: one transaction hides them from every question; rows and bytes follow right after.

Hiding takes a few statements whatever the documents hold, so that nobody waits for it. What is hidden is
purged by `app.documents.sweeping`, at once or after a crash by whoever sweeps next.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, delete, insert, literal, select, update
from sqlalchemy.orm import Session, sessionmaker

from app.accounts.types import Account
from app.db import WriteLock, take_lock
from app.documents import repository
from app.documents.blobs import BlobStore
from app.errors import DocumentNotFound
from app.tables import Document, IndexChangeRow, Job, utc_now


def delete_document(session: Session, user: Account, document_id: int) -> None:
    """Hides the document in any state. Raises DocumentNotFound.

    A worker that is busy with it notices that its job is gone and stops.
    """
    if not _hide(session, user, Document.id == document_id):
        raise DocumentNotFound(f"There is no document {document_id}.")


def delete_documents(session: Session, user: Account, document_ids: Iterable[int]) -> int:
    """Hides those of the documents that are the user's and still there; returns how many."""
    parts = [Document.id.in_(part) for part in repository.parts(document_ids)]
    for which in parts:  # of all of them: whoever holds the index log waits for no document
        _hold(session, user, which)
    return sum(_hide(session, user, which) for which in parts)


def delete_all_of_collection(session: Session, user: Account, collection_id: int) -> int:
    """Hides every document of the collection; returns how many."""
    return _hide(session, user, Document.collection_id == collection_id)


def collect_garbage(sessions: sessionmaker[Session], blobs: BlobStore, digests: Iterable[str]) -> None:
    """Removes the bytes that no live document uses."""
    with sessions.begin() as session:
        take_lock(session, WriteLock.BLOBS)
        remove_unused(session, blobs, digests)


def remove_unused(session: Session, blobs: BlobStore, digests: Iterable[str]) -> None:
    """The same inside a transaction that holds the BLOBS lock: an upload of these bytes waits meanwhile."""
    for sha256 in digests:
        if not repository.sha256_in_use(session, sha256):
            blobs.delete(sha256)


def _hold(session: Session, user: Account, which: ColumnElement[bool]) -> None:
    """As `repository.lock` holds one, in the order of their ids."""
    live = repository.live_statement(user.id).where(which).with_only_columns(Document.id)
    session.execute(live.order_by(Document.id).with_for_update(key_share=True)).all()


def _hide(session: Session, user: Account, which: ColumnElement[bool]) -> int:
    """The index log comes last, after every row is locked: two deletions can never wait for each other."""
    now = utc_now()
    _hold(session, user, which)
    hidden = session.execute(
        update(Document)
        .where(Document.owner_id == user.id, Document.deleted_at.is_(None), which)
        .values(deleted_at=now)
        .returning(Document.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not hidden:
        return 0
    gone = select(Document.owner_id, Document.id).where(
        Document.owner_id == user.id, Document.deleted_at == now, which
    )
    session.execute(
        delete(Job)
        .where(Job.document_id.in_(gone.with_only_columns(Document.id)))
        .execution_options(synchronize_session=False)
    )
    take_lock(session, WriteLock.INDEX_LOG)
    changes = gone.add_columns(literal("delete"), literal(now, IndexChangeRow.created_at.type))
    session.execute(
        insert(IndexChangeRow).from_select(
            ["owner_id", "document_id", "action", "created_at"], changes.order_by(Document.id)
        )
    )
    return len(hidden)
