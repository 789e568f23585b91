"""Purges what is hidden: deleted documents and collections, dropped versions, replaced ones kept long enough.

Each batch is one short transaction, so that uploads and workers get their turn between them. Bytes are
removed before the rows that name them: after a crash the rows are still there and the next sweep goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, delete, exists, func, select
from sqlalchemy.orm import Session, sessionmaker

from app.db import WriteLock, take_lock
from app.documents import alike, encoders
from app.documents.blobs import BlobStore
from app.documents.removal import remove_unused
from app.services import Services
from app.tables import (
    ChunkRow,
    Collection,
    Document,
    DocumentPage,
    DocumentVersion,
    Job,
    VectorRow,
    utc_now,
)

DOCUMENTS_A_BATCH = 100


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was purged."""

    documents: int = 0
    versions: int = 0
    collections: int = 0


def sweep(sessions: sessionmaker[Session], blobs: BlobStore, *, keep_versions: int) -> Swept:
    """Purges everything that is hidden; returns what. Safe to run twice at once, and to be killed."""
    documents = versions = 0
    while swept := _sweep_documents(sessions, blobs):
        documents += swept
    while swept := _sweep_versions(sessions, blobs, keep_versions):
        versions += swept
    _sweep_vectors(sessions)
    return Swept(documents, versions, _sweep_collections(sessions))


def sweep_services(services: Services) -> Swept:
    """The same with what the service is made of."""
    return sweep(services.sessions, services.blobs, keep_versions=services.settings.keep_versions)


def pending(session: Session, keep_versions: int) -> Swept:
    """What a sweep would purge now."""
    hidden = select(func.count()).select_from(Document).where(Document.deleted_at.is_not(None))
    empty = select(func.count()).select_from(Collection).where(Collection.deleted_at.is_not(None))
    return Swept(
        documents=session.scalar(hidden) or 0,
        versions=len(session.execute(_expired(keep_versions)).all()),
        collections=session.scalar(empty) or 0,
    )


def _sweep_documents(sessions: sessionmaker[Session], blobs: BlobStore) -> int:
    hidden = select(Document.id).where(Document.deleted_at.is_not(None)).order_by(Document.id)
    with sessions() as session:  # looking costs no turn of a writer
        ids = session.scalars(hidden.limit(DOCUMENTS_A_BATCH)).all()
    if not ids:
        return 0
    with sessions.begin() as session:
        take_lock(session, WriteLock.BLOBS)
        remove_unused(session, blobs, _digests(session, ids))
        _purge(session, ids)
    return len(ids)


def _digests(session: Session, document_ids: Sequence[int]) -> set[str]:
    rows = session.scalars(
        select(DocumentVersion.sha256).where(
            DocumentVersion.document_id.in_(document_ids), DocumentVersion.purged_at.is_(None)
        )
    )
    newest = session.scalars(select(Document.sha256).where(Document.id.in_(document_ids)))
    return {*rows, *newest}


def _purge(session: Session, document_ids: Sequence[int]) -> None:
    """Children first; the index log keeps the fact and the time of the deletion."""
    chunk_ids = select(ChunkRow.id).where(ChunkRow.document_id.in_(document_ids))
    session.execute(delete(VectorRow).where(VectorRow.chunk_id.in_(chunk_ids)))
    alike.forget(session, document_ids)
    for table in (ChunkRow, DocumentPage, DocumentVersion, Job):
        session.execute(delete(table).where(table.document_id.in_(document_ids)))
    session.execute(delete(Document).where(Document.id.in_(document_ids)))


def _sweep_versions(sessions: sessionmaker[Session], blobs: BlobStore, keep_versions: int) -> int:
    with sessions() as session:
        if session.execute(_expired(keep_versions).limit(1)).first() is None:
            return 0
    with sessions.begin() as session:
        take_lock(session, WriteLock.BLOBS)
        rows = session.scalars(_expired(keep_versions).limit(DOCUMENTS_A_BATCH)).all()
        digests = {row.sha256 for row in rows}
        for row in rows:
            _purge_version(session, row)
        remove_unused(session, blobs, digests)
    return len(rows)


def _purge_version(session: Session, row: DocumentVersion) -> None:
    """A replaced version keeps its row, which explains old citations; a dropped one was never cited."""
    session.execute(
        delete(DocumentPage).where(
            DocumentPage.document_id == row.document_id, DocumentPage.version == row.number
        )
    )
    if row.state == "dropped":
        session.delete(row)
    else:
        row.purged_at, row.password = utc_now(), None
    session.flush()


def _expired(keep_versions: int) -> Select[DocumentVersion]:
    """Dropped versions, and replaced ones that as many later replaced ones of their document follow."""
    later = DocumentVersion.__table__.alias("later")
    followers = (
        select(func.count())
        .select_from(later)
        .where(
            later.c.document_id == DocumentVersion.document_id,
            later.c.number > DocumentVersion.number,
            later.c.state == "replaced",
        )
        .scalar_subquery()
    )
    return select(DocumentVersion).where(
        (DocumentVersion.state == "dropped")
        | (
            (DocumentVersion.state == "replaced")
            & DocumentVersion.purged_at.is_(None)
            & (followers >= keep_versions)
        )
    )


def _sweep_vectors(sessions: sessionmaker[Session]) -> None:
    """Vectors of encoders that were replaced a while ago."""
    with sessions() as session:
        if not encoders.has_expired(session):
            return
    while True:
        with sessions.begin() as session:
            if not encoders.purge_retired(session):
                return


def _sweep_collections(sessions: sessionmaker[Session]) -> int:
    """Deleted collections whose documents have gone."""
    inside = exists().where(Document.collection_id == Collection.id)
    with sessions() as session:
        empty = session.scalars(
            select(Collection.id).where(Collection.deleted_at.is_not(None), ~inside)
        ).all()
    if not empty:
        return 0
    with sessions.begin() as session:
        gone = session.execute(
            delete(Collection).where(Collection.id.in_(empty)).returning(Collection.id)
        ).all()
    return len(gone)
