"""What the doctor looks for in SQL alone, and how it is put right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.documents import encoders, index_log, uploads
from app.documents.tables import DocumentBand, DocumentLikeness
from app.tables import (
    ChunkRow,
    Document,
    DocumentPage,
    DocumentVersion,
    EncoderRow,
    Job,
    VectorRow,
    utc_now,
)

WAITING = ("queued", "processing")
CHILDREN: tuple[type[Any], ...] = (
    ChunkRow,
    DocumentBand,
    DocumentLikeness,
    DocumentPage,
    DocumentVersion,
    Job,
)


def orphaned(session: Session) -> dict[str, int]:
    """Rows of documents, versions or chunks that are not there, by table."""
    counts = {table.__tablename__: _count(session, table, ~_has_document(table)) for table in CHILDREN}
    counts["document_pages"] += _count(session, DocumentPage, _has_document(DocumentPage), _of_no_version())
    has_chunk = exists().where(ChunkRow.id == VectorRow.chunk_id)
    counts["vectors"] = _count(session, VectorRow, ~has_chunk)
    return {name: count for name, count in counts.items() if count}


def remove_orphaned(session: Session) -> None:
    session.execute(delete(VectorRow).where(~exists().where(ChunkRow.id == VectorRow.chunk_id)))
    for table in CHILDREN:
        lost = select(table.id).where(~_has_document(table))
        if table is ChunkRow:
            session.execute(delete(VectorRow).where(VectorRow.chunk_id.in_(lost)))
        session.execute(delete(table).where(table.id.in_(lost)))
    session.execute(delete(DocumentPage).where(_of_no_version()))


def chunks_without_vector(session: Session) -> Sequence[int]:
    """Chunks that the active encoder has not embedded: dense search cannot find them."""
    row = encoders.active(session)
    if row is None:
        return ()
    return session.scalars(encoders.without_vector(row.id).with_only_columns(ChunkRow.id)).all()


def damaged_vectors(session: Session) -> Sequence[int]:
    """Chunks whose vector has not the length of its encoder's."""
    statement = (
        select(VectorRow.chunk_id)
        .join(EncoderRow, EncoderRow.id == VectorRow.encoder_id)
        .where(func.length(VectorRow.vector) != 4 * EncoderRow.dimension)
    )
    return session.scalars(statement).all()


def remove_damaged_vectors(session: Session) -> None:
    """They are missing then, and made anew."""
    session.execute(delete(VectorRow).where(VectorRow.chunk_id.in_(damaged_vectors(session))))


def log_again(session: Session, chunk_ids: Sequence[int]) -> None:
    """Lets every index take in the documents of these chunks once more."""
    if not chunk_ids:
        return
    of_chunks = select(ChunkRow.owner_id, ChunkRow.document_id).where(ChunkRow.id.in_(chunk_ids)).distinct()
    for owner_id, document_id in session.execute(of_chunks).all():
        index_log.append(session, owner_id, document_id, "add")


def waiting_for_nothing(session: Session) -> Sequence[int]:
    """Documents that wait for a job that does not exist."""
    active = exists().where(Job.document_id == Document.id, Job.status.in_(["queued", "running"]))
    statement = select(Document.id).where(
        Document.deleted_at.is_(None), Document.status.in_(WAITING), ~active
    )
    return session.scalars(statement).all()


def read_again(session: Session) -> None:
    """Queues documents that wait for nothing, and those whose passages are gone."""
    wanted = {*waiting_for_nothing(session), *without_passages(session)}
    for document in session.scalars(select(Document).where(Document.id.in_(wanted))):
        uploads.retry(session, document)


def disagreeing_versions(session: Session) -> Sequence[int]:
    """Documents whose answering version is not the one current row of their versions."""
    statement = select(Document.id).where(Document.deleted_at.is_(None), _not_current())
    return session.scalars(statement).all()


def without_passages(session: Session) -> Sequence[int]:
    """Documents that say they have passages and have none."""
    has_chunk = exists().where(ChunkRow.document_id == Document.id)
    statement = select(Document.id).where(
        Document.deleted_at.is_(None), Document.status == "ready", Document.chunk_count > 0, ~has_chunk
    )
    return session.scalars(statement).all()


def repair_versions(session: Session) -> None:
    """The document's row decides which version is current."""
    broken = disagreeing_versions(session)
    answering = (
        select(Document.ready_version).where(Document.id == DocumentVersion.document_id).scalar_subquery()
    )
    of_broken = update(DocumentVersion).where(DocumentVersion.document_id.in_(broken))
    session.execute(
        of_broken.where(DocumentVersion.state == "current", DocumentVersion.number != answering).values(
            state="replaced", replaced_at=utc_now()
        )
    )
    session.execute(of_broken.where(DocumentVersion.number == answering).values(state="current"))


def _not_current() -> Any:
    current = select(func.count()).where(
        DocumentVersion.document_id == Document.id, DocumentVersion.state == "current"
    )
    agreeing = current.where(DocumentVersion.number == Document.ready_version)
    return and_(
        Document.ready_version.is_not(None),
        or_(current.scalar_subquery() != 1, agreeing.scalar_subquery() != 1),
    )


def _has_document(table: type[Any]) -> Any:
    return exists().where(Document.id == table.document_id)


def _of_no_version() -> Any:
    """Pages of a version that was purged or never was."""
    kept = exists().where(
        DocumentVersion.document_id == DocumentPage.document_id,
        DocumentVersion.number == DocumentPage.version,
        DocumentVersion.purged_at.is_(None),
    )
    return ~kept


def _count(session: Session, table: type[Any], *conditions: Any) -> int:
    statement: Select[Any] = select(func.count()).select_from(table).where(*conditions)
    return session.scalar(statement) or 0
