"""Brings an index up to date with SQL, and says what a question may see in it.

SQL is the truth; the index follows the ordered table `index_changes`. Every process that searches follows
on its own, so the worker that writes never has to know who reads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections import repository as collections
from app.documents import index_log, repository
from app.documents.encoders import require_usable
from app.errors import CollectionNotFound, DocumentNotFound
from app.tables import ChunkRow, Document, DocumentVersion, IndexChangeRow
from retrieval.index_store import IndexStore
from retrieval.types import AccessFilter, Chunk, IndexChange, IndexEntry, LoadChunks

log = logging.getLogger(__name__)

ADDED_PER_BATCH = 32  # documents whose chunks and vectors are in memory at once
CHUNKS_PER_BATCH = 4096  # and chunks of them, unless a single document has more: about 10 MB
CHANGES_PER_BATCH = 5000  # deletions carry nothing, so that a collection goes in a few commits

_following = threading.Lock()  # a second caller waits and then finds nothing left to do


def catch_up(session: Session, index: IndexStore, *, encoder_id: str | None = None) -> int:
    """Applies everything committed since the index's last change; returns how many changes.

    Costs one small query when nothing changed. With `encoder_id` it raises EncoderMismatch instead of
    taking in vectors of another encoder.
    """
    applied, newest = index.last_change_id, index_log.last_id(session)
    if newest == applied:
        return 0
    if encoder_id is not None:
        require_usable(session, encoder_id)
    with _following:
        return _apply_all(session, index) if newest > applied else _restart_if_ahead(session, index)


def _restart_if_ahead(session: Session, index: IndexStore) -> int:
    """An index ahead of SQL followed another database, or this one before a restore: starts again.

    It may also be that only this session's snapshot is old, so a fresh one decides.
    """
    with Session(session.get_bind()) as fresh:
        applied = index.last_change_id
        if index_log.last_id(fresh) >= applied:
            return 0
        index.reset()
        return _apply_all(fresh, index)


def _apply_all(session: Session, index: IndexStore) -> int:
    applied = 0
    while rows := _next_batch(session, index.last_change_id):
        index.apply(_load_changes(session, rows, index))
        applied += len(rows)
    return applied


def _next_batch(session: Session, applied: int) -> Sequence[IndexChangeRow]:
    """The next changes in order, up to as many additions as fit into memory, but at least one."""
    rows = index_log.list_after(session, applied, 2 * ADDED_PER_BATCH)
    if not any(row.action == "add" for row in rows):
        rows = index_log.list_after(session, applied, CHANGES_PER_BATCH)
    added = [position for position, row in enumerate(rows) if row.action == "add"][: ADDED_PER_BATCH + 1]
    counts = index_log.chunk_counts(session, [rows[position].document_id for position in added])
    chunks = 0
    for number, position in enumerate(added):
        chunks += counts.get(rows[position].document_id, 0)
        if number == ADDED_PER_BATCH or (number and chunks > CHUNKS_PER_BATCH):
            return rows[:position]
    return rows


def _load_changes(session: Session, rows: Sequence[IndexChangeRow], index: IndexStore) -> list[IndexChange]:
    """The changes with their chunks; a document that has been deleted since adds nothing."""
    added = sorted({row.document_id for row in rows if row.action == "add"})
    entries: dict[int, list[IndexEntry]] = {}
    chunks = index_log.indexed_chunks(session, added, index.encoder_id)
    for chunk_id, document_id, collection_id, text, vector in chunks:
        if len(vector) != 4 * index.dimension:  # one damaged row must not keep all others from being found
            log.error("passage %d has a damaged vector; `footnote doctor --fix` makes it anew", chunk_id)
            continue
        entry = IndexEntry(chunk_id, document_id, collection_id, text, np.frombuffer(vector, dtype="<f4"))
        entries.setdefault(document_id, []).append(entry)
    return [
        IndexChange(
            change_id=row.id,
            action="add" if row.action == "add" else "delete",
            document_id=row.document_id,
            entries=tuple(entries.get(row.document_id, ())) if row.action == "add" else (),
        )
        for row in rows
    ]


def access_filter(
    session: Session,
    user: Account,
    collection_ids: Sequence[int] | None,
    document_ids: Sequence[int] | None,
    index: IndexStore,
) -> AccessFilter:
    """What this user's question may see.

    Raises CollectionNotFound or DocumentNotFound for ids that are not the user's, as if they did not exist.
    """
    return AccessFilter(
        collection_ids=_permitted_collections(session, user, collection_ids),
        document_ids=_permitted_documents(session, user, document_ids),
        hidden_document_ids=index_log.deleted_after(session, index.last_change_id),
    )


def load_chunks(session: Session, user: Account) -> LoadChunks:
    """A loader of this user's chunks; ids that are gone or somebody else's are absent from its result."""

    def load(chunk_ids: Sequence[int]) -> Mapping[int, Chunk]:
        statement = (
            select(ChunkRow, DocumentVersion)
            .join(Document, Document.id == ChunkRow.document_id)
            .join(
                DocumentVersion,
                and_(
                    DocumentVersion.document_id == Document.id,
                    DocumentVersion.number == Document.ready_version,
                ),
            )
            .where(
                ChunkRow.id.in_(list(chunk_ids)),
                ChunkRow.owner_id == user.id,
                Document.deleted_at.is_(None),
            )
        )
        return {row.id: _chunk(row, version) for row, version in session.execute(statement)}

    return load


def _permitted_collections(session: Session, user: Account, asked: Sequence[int] | None) -> frozenset[int]:
    owned = collections.list_ids(session, user.id)
    if asked is None:
        return owned
    for collection_id in asked:
        if collection_id not in owned:
            raise CollectionNotFound(f"There is no collection {collection_id}.")
    return frozenset(asked)


def _permitted_documents(
    session: Session, user: Account, asked: Sequence[int] | None
) -> frozenset[int] | None:
    if asked is None:
        return None
    owned = repository.owned_ids(session, user.id, asked)
    for document_id in asked:
        if document_id not in owned:
            raise DocumentNotFound(f"There is no document {document_id}.")
    return owned


def _chunk(row: ChunkRow, version: DocumentVersion) -> Chunk:
    return Chunk(
        chunk_id=row.id,
        document_id=row.document_id,
        collection_id=row.collection_id,
        text=row.text,
        file_name=version.file_name,
        start=row.start,
        end=row.end,
        page_first=row.page_first,
        page_last=row.page_last,
        headings=tuple(row.headings),
        document_version=version.number,
    )
