"""`footnote reindex`: new vectors, and new chunks, from stored text, while questions go on being answered.

Vectors of another encoder are built beside the ones that answer and become active in one transaction.
Chunks of another size take the place of a document's old ones document by document: passages of two sizes
may stand in one index, vectors of two encoders may not. What is done stays done: a killed run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, insert, or_, select
from sqlalchemy.orm import Session, sessionmaker

from app.collections import repository as collections
from app.db import WriteLock, take_lock
from app.documents import encoders, index_log, repository, storing, uploads, versions
from app.documents.encoder_switch import another_encoder
from app.documents.encoders import EncoderMismatch
from app.documents.outline import restored
from app.services import IngestModels
from app.tables import ChunkRow, Document, DocumentPage, VectorRow
from ingest.chunk import chunk
from ingest.embed import embed

CHUNKS_A_BATCH = 64  # one short write transaction each
TELL_EVERY_S = 2.0

Tell = Callable[[str], None]


@dataclass(slots=True)
class Reindexed:
    """What a run did."""

    vectors: int = 0  # made by the new encoder
    documents: int = 0  # cut into chunks again
    to_read_again: int = 0  # stored before outlines were kept: a worker reads their files
    switched_to: str | None = None


@dataclass(slots=True)
class _Progress:
    """Lines with a count and the time left, now and then."""

    what: str
    total: int
    tell: Tell
    done: int = 0
    started_s: float = 0.0
    next_s: float = 0.0

    def add(self, count: int) -> None:
        now = time.monotonic()
        self.started_s = self.started_s or now
        self.done += count
        if now >= self.next_s or self.done >= self.total:
            self.next_s = now + TELL_EVERY_S
            left_s = (now - self.started_s) / self.done * max(0, self.total - self.done)
            self.tell(f"{self.what}: {self.done:,} of {max(self.total, self.done):,}, {left_s:.0f} s left")


def reindex(
    sessions: sessionmaker[Session], models: IngestModels, *, chunk_tokens: int, tell: Tell
) -> Reindexed:
    """Brings vectors and chunks to this encoder and this size; does nothing where they are already."""
    result = Reindexed()
    now = _active_models(sessions, models, tell)
    if now is not None:  # first: a process that has not changed over yet sees only the old vectors
        _cut_again(sessions, now, chunk_tokens, tell, result)
    if now is not models:
        result.vectors = _build_vectors(sessions, models, tell)
        result.switched_to = models.encoder_id
        tell(f"{models.encoder_id} answers from now on.")
    if now is None:
        _cut_again(sessions, models, chunk_tokens, tell, result)
    return result


def _active_models(sessions: sessionmaker[Session], models: IngestModels, tell: Tell) -> IngestModels | None:
    """The encoder whose vectors answer now; None where its weights are not here any more."""
    with sessions() as session:
        row = encoders.active(session)
    if row is None or row.id == models.encoder_id:
        return models
    try:
        return another_encoder(models, row.id, row.name)
    except EncoderMismatch as error:
        tell(f"{error.cause} Chunks are cut again after the change.")
        return None


def _build_vectors(sessions: sessionmaker[Session], models: IngestModels, tell: Tell) -> int:
    """Embeds until no chunk is left, those of uploads meanwhile included, and switches."""
    with sessions.begin() as session:
        encoders.begin(session, models.encoder_id, models.name, models.dimension)
        missing = encoders.without_vector(models.encoder_id).order_by(None)
        total = session.scalar(select(func.count()).select_from(missing.subquery())) or 0
    progress = _Progress("vectors", total, tell)
    while True:
        with sessions() as session:
            chunks = session.scalars(encoders.without_vector(models.encoder_id).limit(CHUNKS_A_BATCH)).all()
        if chunks:
            add_vectors(sessions, models, chunks)
            progress.add(len(chunks))
            continue
        with sessions.begin() as session:
            if encoders.switch(session, models.encoder_id):
                return progress.done


def add_vectors(sessions: sessionmaker[Session], models: IngestModels, chunks: Sequence[ChunkRow]) -> None:
    """Embeds outside the transaction; a chunk that is gone or embedded by then is left out."""
    vectors = np.ascontiguousarray(models.encode([row.text for row in chunks]), dtype="<f4")
    made = {row.id: vector.tobytes() for row, vector in zip(chunks, vectors, strict=True)}
    with sessions.begin() as session:
        take_lock(session, WriteLock.REINDEX)
        wanted = encoders.without_vector(models.encoder_id).where(ChunkRow.id.in_(made))
        rows = [
            {
                "chunk_id": row.id,
                "owner_id": row.owner_id,
                "encoder_id": models.encoder_id,
                "vector": made[row.id],
            }
            for row in session.scalars(wanted)
        ]
        if rows:
            session.execute(insert(VectorRow), rows)


def _cut_again(
    sessions: sessionmaker[Session],
    models: IngestModels,
    chunk_tokens: int,
    tell: Tell,
    result: Reindexed,
) -> None:
    other = or_(Document.chunk_tokens.is_(None), Document.chunk_tokens != chunk_tokens)
    statement = select(Document.id).where(
        Document.deleted_at.is_(None), Document.ready_version.is_not(None), other
    )
    with sessions() as session:
        document_ids = session.scalars(statement.order_by(Document.id)).all()
    progress = _Progress("documents", len(document_ids), tell)
    for document_id in document_ids:
        _cut_document(sessions, models, document_id, chunk_tokens, result)
        progress.add(1)


def _cut_document(
    sessions: sessionmaker[Session],
    models: IngestModels,
    document_id: int,
    chunk_tokens: int,
    result: Reindexed,
) -> None:
    """Chunks and embeds outside the transaction, and stores unless the document has changed meanwhile."""
    with sessions() as session:
        document = session.get(Document, document_id)
        if document is None or document.ready_version is None:
            return
        version = versions.get(session, document_id, document.ready_version)
        pages = session.scalars(
            select(DocumentPage)
            .where(DocumentPage.document_id == document_id, DocumentPage.version == document.ready_version)
            .order_by(DocumentPage.number)
        ).all()
        parsed = None if version is None else restored(document, version, pages)
    if parsed is None:
        result.to_read_again += _read_again(sessions, document_id)
        return
    drafts = chunk(parsed, models.token_spans, chunk_tokens)
    vectors = embed(drafts, models.encode, lambda *_: None)
    with sessions.begin() as session:
        if not collections.hold(session, document.owner_id, document.collection_id):
            return
        held = repository.lock(session, document_id)
        if held is None or held.ready_version != document.ready_version:
            return
        storing.replace_chunks(session, held, drafts, vectors, models.encoder_id)
        held.chunk_tokens = chunk_tokens
        index_log.append(session, held.owner_id, held.id, "add")
        encoders.hold(session, models.encoder_id, models.dimension)
    result.documents += 1


def _read_again(sessions: sessionmaker[Session], document_id: int) -> int:
    """Queues the document's file for a worker; it answers as it is until then."""
    with sessions.begin() as session:
        held = repository.lock(session, document_id)
        if held is None or held.status != "ready":
            return 0
        uploads.retry(session, held)
    return 1
