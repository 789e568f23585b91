"""Which encoder's vectors answer questions, and how another takes its place. SQL.

One encoder is active. Vectors of another are built beside its own, and become active in one transaction;
those of the old one stay for a while, so that a process that still uses it goes on until it has changed over.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from sqlalchemy import Select, delete, exists, select, update
from sqlalchemy.orm import Session

from app.db import WriteLock, take_lock
from app.errors import AppError
from app.tables import ChunkRow, Document, EncoderRow, VectorRow, utc_now

EncoderState = Literal["active", "building", "retired"]

KEPT_AFTER_SWITCH = timedelta(minutes=5)  # for processes that change over, and questions under way
VECTORS_A_BATCH = 5000


class EncoderMismatch(AppError):
    """Stored vectors and the configured encoder do not belong together."""

    status_code = 503
    code = "encoder_mismatch"
    stage = "start"
    default_next_step = (
        "Run `footnote reindex` to build the vectors of the configured encoder from the stored text, or set "
        "FOOTNOTE_ENCODER back to the encoder named here."
    )


def active(session: Session) -> EncoderRow | None:
    return session.scalar(select(EncoderRow).where(EncoderRow.state == "active"))


def require_encoder(session: Session, encoder_id: str) -> None:
    """Raises EncoderMismatch when the vectors that answer are another encoder's."""
    row = active(session)
    if row is not None and row.id != encoder_id and _has_vectors(session, row.id):
        raise _mismatch(row.id, encoder_id)


def require_usable(session: Session, encoder_id: str) -> None:
    """The same for a process that runs already: its vectors may just have been replaced and still be here."""
    row = session.get(EncoderRow, encoder_id)
    if row is None or row.state != "retired":
        require_encoder(session, encoder_id)


def hold(session: Session, encoder_id: str, dimension: int, name: str = "") -> None:
    """Makes sure that vectors about to be committed are the active encoder's; the first ones decide.

    Call it after the index log's lock is taken, which `switch` waits for. Raises EncoderMismatch.
    """
    row = active(session)
    if row is not None and row.id == encoder_id:
        return
    if row is not None and _has_vectors(session, row.id):
        raise _mismatch(row.id, encoder_id)
    session.execute(delete(EncoderRow).where(EncoderRow.state == "active"))
    session.merge(EncoderRow(id=encoder_id, name=name, dimension=dimension, state="active"))


def remember_name(session: Session, encoder_id: str, name: str) -> None:
    """Notes what the settings call the active encoder, so that another process can load it."""
    session.execute(
        update(EncoderRow)
        .where(EncoderRow.id == encoder_id, EncoderRow.state == "active", EncoderRow.name != name)
        .values(name=name)
    )


def begin(session: Session, encoder_id: str, name: str, dimension: int) -> None:
    """Notes that vectors of this encoder are being built, unless it is the active one."""
    row = session.get(EncoderRow, encoder_id)
    if row is None:
        session.add(EncoderRow(id=encoder_id, name=name, dimension=dimension, state="building"))
    elif row.state != "active":
        row.name, row.state, row.changed_at = name, "building", utc_now()


def without_vector(encoder_id: str) -> Select[ChunkRow]:
    """Chunks of live documents that this encoder has not embedded, in order of id."""
    embedded = exists().where(VectorRow.chunk_id == ChunkRow.id, VectorRow.encoder_id == encoder_id)
    return (
        select(ChunkRow)
        .join(Document, Document.id == ChunkRow.document_id)
        .where(Document.deleted_at.is_(None), ~embedded)
        .order_by(ChunkRow.id)
    )


def switch(session: Session, encoder_id: str) -> bool:
    """Makes the encoder active; False, changing nothing, while a chunk has no vector of it."""
    take_lock(session, WriteLock.INDEX_LOG)
    if session.scalars(without_vector(encoder_id).limit(1)).first() is not None:
        return False
    now = utc_now()
    session.execute(
        update(EncoderRow).where(EncoderRow.state == "active").values(state="retired", changed_at=now)
    )
    session.execute(
        update(EncoderRow).where(EncoderRow.id == encoder_id).values(state="active", changed_at=now)
    )
    return True


def has_expired(session: Session) -> bool:
    """Whether there are vectors of encoders that nobody can use any more."""
    return session.scalar(_expired().limit(1)) is not None


def purge_retired(session: Session) -> int:
    """Removes some of those vectors, their encoders last; returns how many rows."""
    ids = session.scalars(_expired()).all()
    if not ids:
        return 0
    some = select(VectorRow.chunk_id).where(VectorRow.encoder_id.in_(ids)).limit(VECTORS_A_BATCH)
    chunk_ids = session.scalars(some).all()
    if not chunk_ids:
        session.execute(delete(EncoderRow).where(EncoderRow.id.in_(ids)))
        return len(ids)
    session.execute(delete(VectorRow).where(VectorRow.encoder_id.in_(ids), VectorRow.chunk_id.in_(chunk_ids)))
    return len(chunk_ids)


def _expired() -> Select[str]:
    return select(EncoderRow.id).where(
        EncoderRow.state == "retired", EncoderRow.changed_at < utc_now() - KEPT_AFTER_SWITCH
    )


def _has_vectors(session: Session, encoder_id: str) -> bool:
    statement = select(VectorRow.chunk_id).where(VectorRow.encoder_id == encoder_id).limit(1)
    return session.scalar(statement) is not None


def _mismatch(stored: str, configured: str) -> EncoderMismatch:
    return EncoderMismatch(
        f"The stored vectors were made by {stored}, the configured encoder is {configured}.",
        stored=stored,
        configured=configured,
    )
