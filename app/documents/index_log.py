"""SQL of `index_changes`, the ordered log that every index follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from app.db import WriteLock, take_lock
from app.tables import ChunkRow, Document, IndexChangeRow, VectorRow

IndexedChunk = tuple[int, int, int, str, bytes]
"""chunk id, document id, collection id, text, vector bytes."""


def append(session: Session, owner_id: int, document_id: int, action: Literal["add", "delete"]) -> None:
    """Adds a change; call it late in the transaction, because other writers wait from here to the commit.

    Without the lock a follower could see change 8 before change 7 commits, and would never apply 7.
    """
    take_lock(session, WriteLock.INDEX_LOG)
    session.add(IndexChangeRow(owner_id=owner_id, document_id=document_id, action=action))
    session.flush()


def last_id(session: Session) -> int:
    return session.scalar(select(func.max(IndexChangeRow.id))) or 0


def list_after(session: Session, change_id: int, limit: int) -> Sequence[IndexChangeRow]:
    statement = select(IndexChangeRow).where(IndexChangeRow.id > change_id).order_by(IndexChangeRow.id)
    return session.scalars(statement.limit(limit)).all()


def deleted_after(session: Session, change_id: int) -> frozenset[int]:
    """Documents whose deletion an index that stands at `change_id` has not applied."""
    statement = select(IndexChangeRow.document_id).where(
        IndexChangeRow.id > change_id, IndexChangeRow.action == "delete"
    )
    return frozenset(session.scalars(statement))


def last_deletion_id(session: Session) -> int:
    """The newest change that took a document out of the indexes; 0 when there was none."""
    return session.scalar(select(func.max(IndexChangeRow.id)).where(IndexChangeRow.action == "delete")) or 0


def chunk_counts(session: Session, document_ids: Collection[int]) -> dict[int, int]:
    """How many chunks each of these documents has; documents without any are absent."""
    statement = (
        select(ChunkRow.document_id, func.count())
        .where(ChunkRow.document_id.in_(document_ids))
        .group_by(ChunkRow.document_id)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def live_chunk_ids(session: Session) -> frozenset[int]:
    """Every chunk that a question may find."""
    live = Document.deleted_at.is_(None)
    statement = select(ChunkRow.id).join(Document, Document.id == ChunkRow.document_id).where(live)
    return frozenset(session.scalars(statement))


def indexed_chunks(session: Session, document_ids: Sequence[int], encoder_id: str) -> list[IndexedChunk]:
    """Every chunk of these live documents with this encoder's vector, in order of id."""
    statement = (
        select(
            ChunkRow.id,
            ChunkRow.document_id,
            ChunkRow.collection_id,
            ChunkRow.text,
            VectorRow.vector,
        )
        .join(VectorRow, and_(VectorRow.chunk_id == ChunkRow.id, VectorRow.encoder_id == encoder_id))
        .join(Document, Document.id == ChunkRow.document_id)
        .where(ChunkRow.document_id.in_(document_ids), Document.deleted_at.is_(None))
        .order_by(ChunkRow.id)
    )
    return list(session.execute(statement))
