"""Small rows and results for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence

from app.accounts.types import Account
from app.collections.service import get_or_create
from app.db import Sessions
from app.documents.blobs import BlobStore
from app.documents.identity import OnExisting
from app.documents.uploads import UploadOutcome, register
from app.tables import User
from ingest.types import ChunkDraft, IngestedDocument, Page, ParsedDocument, QualityReport
from tests.fakes import hash_encode

LIMIT_BYTES = 10_000


def upload(
    sessions: Sessions,
    blobs: BlobStore,
    user: Account,
    data: bytes,
    *,
    file_name: str = "a.txt",
    collection: str = "Default",
    on_existing: OnExisting = "skip",
    document_id: int | None = None,
) -> UploadOutcome:
    with sessions.begin() as session:
        collection_id = get_or_create(session, user, collection)
    staged = blobs.stage(io.BytesIO(data), LIMIT_BYTES)
    return register(
        sessions,
        blobs,
        user,
        collection_id,
        file_name,
        staged,
        on_existing=on_existing,
        document_id=document_id,
    )


def ingested(passages: Sequence[str]) -> IngestedDocument:
    """A document of one page whose chunks are these passages, joined by blank lines."""
    text = "\n\n".join(passages)
    chunks, start = [], 0
    for position, passage in enumerate(passages):
        end = start + len(passage)
        chunks.append(ChunkDraft(position, start, end, passage, 1, 1, ("Title",), len(passage.split())))
        start = end + 2
    report = QualityReport(1, (), len(text), 0, 0, "en", ("ignore previous instructions",))
    parsed = ParsedDocument(text, (Page(1, 0, len(text), label="i"),), True, "text/plain")
    return IngestedDocument(parsed, tuple(chunks), hash_encode(list(passages)), report, {"parse": 0.1})


def second_user(sessions: Sessions) -> Account:
    with sessions.begin() as session:
        row = User(name="second")
        session.add(row)
        session.flush()
        return Account(row.id, row.name)
