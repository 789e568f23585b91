"""Deleting among many documents: how soon they are hidden, and that nothing of them is left."""

from __future__ import annotations

import io
import os
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from app.accounts.service import local_account
from app.collections import service as collections
from app.db import Sessions
from app.doctor import check, fix
from app.documents import removal, storing, versions
from app.documents.blobs import BlobStore
from app.documents.index_sync import access_filter, catch_up
from app.documents.sweeping import sweep_services
from app.services import Services
from app.tables import ChunkRow, Document
from ingest.likeness import sketch
from tests.app.factories import ingested
from tests.fakes import hash_encode

PASSAGES = 4
A_TRANSACTION = 200
SINGLES = 21  # on a busy machine one alone may wait for the disk


def fill(sessions: Sessions, blobs: BlobStore, collection: str, number: int) -> list[int]:
    """Ready documents of four passages each, with their bytes; their ids."""
    ids: list[int] = []
    for start in range(0, number, A_TRANSACTION):
        with sessions.begin() as session:
            user = local_account(session)
            collection_id = collections.get_or_create(session, user, collection)
            for index in range(start, min(start + A_TRANSACTION, number)):
                data = f"{collection} {index}".encode()
                staged = io.BytesIO(data)
                sha256, size_bytes = blobs.put(staged, 10_000)
                document = Document(
                    owner_id=user.id,
                    collection_id=collection_id,
                    file_name=f"{index}.txt",
                    sha256=sha256,
                    size_bytes=size_bytes,
                )
                session.add(document)
                session.flush()
                versions.add_first(session, document)
                texts = [f"{collection} document {index} passage {part}" for part in range(PASSAGES)]
                whole = replace(ingested(texts), sketch=sketch(" ".join(texts)))
                storing.store(session, document, whole, "hash-64")
                ids.append(document.id)
    return ids


@dataclass(frozen=True, slots=True)
class Timings:
    one_ms: list[float]  # of single documents, one after the other
    collection_ms: float
    purge_s: float


def measure(services: Services, number: int) -> Timings:
    """Deletes one of `number` documents, then a collection of `number`; the doctor proves both."""
    sessions = services.sessions
    kept = fill(sessions, services.blobs, "Kept", number)
    fill(sessions, services.blobs, "Going", number)
    with sessions() as session:
        catch_up(session, services.index)
    singles, one_ms = kept[number // 2 : number // 2 + SINGLES], []
    for offset, document_id in enumerate(singles):
        started = time.perf_counter()
        with sessions.begin() as session:
            removal.delete_document(session, local_account(session), document_id)
        one_ms.append((time.perf_counter() - started) * 1000)
        assert not found(services, f"Kept document {number // 2 + offset}", document_id)
    started = time.perf_counter()
    with sessions.begin() as session:
        user = local_account(session)
        collections.delete(session, user, collections.get_or_create(session, user, "Going"))
    collection_ms = (time.perf_counter() - started) * 1000
    with sessions() as session:
        assert session.scalars(
            select(Document.id).where(Document.deleted_at.is_(None)).order_by(Document.id)
        ).all() == [each for each in kept if each not in singles]
    started = time.perf_counter()
    sweep_services(services)
    purge_s = time.perf_counter() - started
    report = check(services)
    assert report.ok, report.text()
    assert report.sql_chunks == report.dense_chunks == report.bm25_chunks == (number - SINGLES) * PASSAGES
    assert report.stored_files == number - SINGLES
    return Timings(one_ms, collection_ms, purge_s)


def found(services: Services, question: str, document_id: int) -> bool:
    """Whether a search that comes right after finds a passage of the document; the index is not told yet."""
    with services.sessions() as session:
        access = access_filter(session, local_account(session), None, None, services.index)
        assert access.hidden_document_ids >= {document_id}
        hits = services.index.dense(hash_encode([question])[0], 20, access)
        hits += services.index.bm25(question, 20, access)
        chunk_ids = [hit.chunk_id for hit in hits]
        owners = select(ChunkRow.document_id).where(ChunkRow.id.in_(chunk_ids))
        return document_id in session.scalars(owners).all()


def test_deleting_among_hundreds_leaves_nothing(services: Services) -> None:
    measure(services, 150)
    report = fix(services)
    assert report.ok


@pytest.mark.slow
@pytest.mark.bench
@pytest.mark.timeout(3000)
def test_deleting_among_ten_thousand_is_hidden_at_once(services: Services, tmp_path: Path) -> None:
    number = int(os.environ.get("BENCH_DOCUMENTS", "10000"))
    timings = measure(services, number)
    started = time.perf_counter()
    assert fix(services).ok
    print(
        f"\n{number} documents, {number * PASSAGES} passages kept beside as many deleted: "
        f"one hidden in {statistics.median(timings.one_ms):.1f} ms (median of {SINGLES}, slowest "
        f"{max(timings.one_ms):.1f} ms), a collection in {timings.collection_ms:.0f} ms, "
        f"purged in {timings.purge_s:.1f} s, rebuilt and compacted in {time.perf_counter() - started:.1f} s"
    )
    assert statistics.median(timings.one_ms) < 50
    assert timings.collection_ms < 1000
