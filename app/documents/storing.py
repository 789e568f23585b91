"""Writes one ingested version: pages, chunks, vectors, the `ready` status and the index change.

The caller owns the transaction, and guards it with the job's lease: all of it happens, or none.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.db import storable
from app.documents import alike, encoders, index_log, repository, versions
from app.documents.outline import outline_of
from app.tables import ChunkRow, Document, DocumentPage, VectorRow
from ingest.types import ChunkDraft, IngestedDocument, Page

MAX_LABEL = 100  # width of `document_pages.label`


def store(session: Session, document: Document, ingested: IngestedDocument, encoder_id: str) -> None:
    """Takes the place of the version before and of whatever an earlier attempt left: twice stores once."""
    repository.purge_content(session, document.id, document.version)
    _insert_pages(session, document, ingested)
    _insert_chunks(session, document, ingested.chunks, ingested.vectors, encoder_id)
    _describe(document, ingested)
    versions.switch(session, document, outline_of(ingested.parsed))
    session.flush()
    index_log.append(session, document.owner_id, document.id, "add")
    alike.note(session, document, ingested.sketch)
    encoders.hold(session, encoder_id, int(ingested.vectors.shape[1]))


def replace_chunks(
    session: Session,
    document: Document,
    chunks: Sequence[ChunkDraft],
    vectors: NDArray[np.float32],
    encoder_id: str,
) -> None:
    """Other chunks of the same text: offsets into it, and so old citations, stay true."""
    repository.purge_chunks(session, document.id)
    _insert_chunks(session, document, chunks, vectors, encoder_id)
    document.chunk_count = len(chunks)


def pack_boxes(boxes: NDArray[np.float32] | None) -> bytes | None:
    """[T, 4] to the stored form: zlib of little-endian float32."""
    return None if boxes is None else zlib.compress(np.ascontiguousarray(boxes, dtype="<f4").tobytes())


def unpack_boxes(data: bytes) -> NDArray[np.float32]:
    """The stored form to [T, 4]."""
    return np.frombuffer(zlib.decompress(data), dtype="<f4").reshape(-1, 4).astype(np.float32)


def _insert_pages(session: Session, document: Document, ingested: IngestedDocument) -> None:
    session.execute(
        insert(DocumentPage),
        [_page_values(document, page, ingested.parsed.text) for page in ingested.parsed.pages],
    )


def _page_values(document: Document, page: Page, text: str) -> dict[str, Any]:
    return {
        "owner_id": document.owner_id,
        "document_id": document.id,
        "version": document.version,
        "number": page.number,
        "label": None if page.label is None else storable(page.label)[:MAX_LABEL],
        "start": page.start,
        "end": page.end,
        "text": storable(text[page.start : page.end]),
        "width_pt": page.width_pt,
        "height_pt": page.height_pt,
        "boxes": pack_boxes(page.boxes),
    }


def _insert_chunks(
    session: Session,
    document: Document,
    chunks: Sequence[ChunkDraft],
    vectors: NDArray[np.float32],
    encoder_id: str,
) -> None:
    if not chunks:
        return
    statement = insert(ChunkRow).returning(ChunkRow.id, sort_by_parameter_order=True)
    values = [_chunk_values(document, chunk) for chunk in chunks]
    chunk_ids = session.scalars(statement, values).all()
    stored = np.ascontiguousarray(vectors, dtype="<f4")
    session.execute(
        insert(VectorRow),
        [
            {
                "chunk_id": chunk_id,
                "owner_id": document.owner_id,
                "encoder_id": encoder_id,
                "vector": vector.tobytes(),
            }
            for chunk_id, vector in zip(chunk_ids, stored, strict=True)
        ],
    )


def _chunk_values(document: Document, chunk: ChunkDraft) -> dict[str, Any]:
    return {
        "owner_id": document.owner_id,
        "collection_id": document.collection_id,
        "document_id": document.id,
        "position": chunk.position,
        "start": chunk.start,
        "end": chunk.end,
        "text": storable(chunk.text),
        "page_first": chunk.page_first,
        "page_last": chunk.page_last,
        "headings": [storable(heading) for heading in chunk.headings],
        "tokens": chunk.tokens,
    }


def _describe(document: Document, ingested: IngestedDocument) -> None:
    parsed = ingested.parsed
    document.status = "ready"
    document.error = None
    document.media_type = parsed.media_type[:200]
    document.paged = parsed.paged
    document.page_count = len(parsed.pages)
    document.chunk_count = len(ingested.chunks)
    document.chunk_tokens = ingested.max_chunk_tokens
    document.report = _storable_json({**asdict(ingested.report), "seconds": dict(ingested.seconds)})


def _storable_json(value: Any) -> Any:
    """The same structure with every string storable and every tuple a list."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _storable_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable_json(item) for item in value]
    return value
