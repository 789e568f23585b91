"""Which passages of a user's documents to ask about: some of every document, in the order of a seed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.evals.tables import EvalCase
from app.tables import ChunkRow, Document

FEWEST_TOKENS = 20  # a heading or a single cell has nothing to ask about
KEY = "passage-{}"


def key_of(chunk_id: int) -> str:
    """What the question about a passage is called in its set."""
    return KEY.format(chunk_id)


def choose(
    session: Session, user: Account, set_id: int, collection_id: int | None, count: int, seed: int
) -> list[int]:
    """Ids of passages that the set has no question about yet; the documents take turns."""
    statement = (
        select(ChunkRow.document_id, ChunkRow.id)
        .join(Document, Document.id == ChunkRow.document_id)
        .where(
            ChunkRow.owner_id == user.id,
            ChunkRow.tokens >= FEWEST_TOKENS,
            Document.deleted_at.is_(None),
            Document.ready_version.is_not(None),
        )
    )
    if collection_id is not None:
        statement = statement.where(ChunkRow.collection_id == collection_id)
    asked = set(session.scalars(select(EvalCase.key).where(EvalCase.set_id == set_id)))
    rows = session.execute(statement)
    free = [(document_id, chunk_id) for document_id, chunk_id in rows if key_of(chunk_id) not in asked]
    return [chunk_id for chunk_id, _ in zip(in_turns(free, seed), range(count), strict=False)]


def in_turns(rows: Iterable[tuple[int, int]], seed: int) -> Iterator[int]:
    """Chunk ids of (document id, chunk id), one of each document at a time. Pure."""
    by_document: dict[int, list[int]] = defaultdict(list)
    for document_id, chunk_id in rows:
        by_document[document_id].append(chunk_id)
    shuffled = [
        sorted(by_document[document_id], key=lambda chunk_id: _lot(seed, "chunk", chunk_id))
        for document_id in sorted(by_document, key=lambda document_id: _lot(seed, "document", document_id))
    ]
    for turn in range(max(map(len, shuffled), default=0)):
        yield from (chunk_ids[turn] for chunk_ids in shuffled if turn < len(chunk_ids))


def _lot(seed: int, what: str, number: int) -> str:
    return hashlib.sha256(f"{seed} {what} {number}".encode()).hexdigest()
