"""New vectors and new chunks from stored text, beside those that answer; killed runs go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text, update

from app.accounts.types import Account
from app.db import Sessions
from app.documents import encoders, removal
from app.documents.blobs import BlobStore
from app.documents.encoders import EncoderMismatch, require_encoder
from app.documents.sweeping import sweep
from app.jobs.worker import Worker, run_worker
from app.reindexing import reindex
from app.services import IngestModels, Services
from app.settings import Settings, load_settings
from app.tables import ChunkRow, Document, DocumentVersion, EncoderRow, VectorRow, utc_now
from retrieval.types import Vectors
from tests.app.factories import upload
from tests.fakes import fake_ingest_models, fake_models, hash_encode

SECTIONS = ["Leave", "Pay", "Travel", "Tools", "Meals", "Parking"]
TEXT = "\n\n".join(
    f"# {name}\n\n"
    + " ".join(f"The rule number {number} of {name.lower()} is kept here." for number in range(12))
    for name in SECTIONS
).encode()


def encoder(name: str, dimension: int) -> IngestModels:
    def encode(texts: Sequence[str]) -> Vectors:
        return hash_encode(texts, dimension)

    return replace(
        fake_ingest_models(),
        encoder_id=f"{name}@1",
        name=name,
        dimension=dimension,
        encode=encode,
        another=lambda other: encoder(other, 64 if other == "old" else 48),
    )


OLD, NEW = encoder("old", 64), encoder("new", 48)


def settings_for(folder: Path, chunk_tokens: int = 100) -> Settings:
    return load_settings({}, data_dir=folder, chunk_tokens=chunk_tokens, poll_interval_s=0.02)


def read_all(
    folder: Path, sessions: Sessions, blobs: BlobStore, models: IngestModels, chunk_tokens: int = 100
) -> None:
    worker = Worker(settings_for(folder, chunk_tokens), sessions, blobs, models, stop=threading.Event())
    while worker.run_next() is not None:
        pass


def quiet(_: str) -> None:
    return


def run(sessions: Sessions, models: IngestModels, chunk_tokens: int = 100) -> tuple[int, int]:
    result = reindex(sessions, models, chunk_tokens=chunk_tokens, tell=quiet)
    return result.vectors, result.documents


def count(sessions: Sessions, encoder_id: str) -> int:
    with sessions() as session:
        statement = select(func.count()).select_from(VectorRow).where(VectorRow.encoder_id == encoder_id)
        return session.scalar(statement) or 0


def chunks(sessions: Sessions) -> list[tuple[int, int, str, list[str]]]:
    with sessions() as session:
        rows = session.scalars(select(ChunkRow).order_by(ChunkRow.document_id, ChunkRow.position))
        return [(row.start, row.end, row.text, row.headings) for row in rows]


def test_vectors_are_built_beside_the_old_ones_and_switched_at_once(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT, file_name="rules.md")
    read_all(tmp_path, sessions, blobs, OLD)
    before = count(sessions, OLD.encoder_id)
    with sessions() as session, pytest.raises(EncoderMismatch, match=r"old@1.*new@1") as refused:
        require_encoder(session, NEW.encoder_id)
    assert "footnote reindex" in refused.value.next_step
    assert run(sessions, NEW) == (before, 0)
    with sessions() as session:
        require_encoder(session, NEW.encoder_id)
        row = encoders.active(session)
        assert row is not None
        assert (row.name, row.dimension) == ("new", 48)
        stored = session.scalars(select(VectorRow.vector).where(VectorRow.encoder_id == "new@1")).first()
        assert stored is not None
        assert len(stored) == 4 * 48
    assert count(sessions, OLD.encoder_id) == before  # for questions under way
    assert run(sessions, NEW) == (0, 0)
    with sessions.begin() as session:
        earlier = utc_now() - timedelta(days=1)
        session.execute(update(EncoderRow).where(EncoderRow.state == "retired").values(changed_at=earlier))
    sweep(sessions, blobs, keep_versions=0)
    assert (count(sessions, OLD.encoder_id), count(sessions, NEW.encoder_id)) == (0, before)
    with sessions() as session:
        assert session.scalars(select(EncoderRow.id)).all() == ["new@1"]


def test_a_run_that_was_killed_goes_on_and_uploads_meanwhile_are_taken_in(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.reindexing.CHUNKS_A_BATCH", 3)
    upload(sessions, blobs, user, TEXT, file_name="rules.md")
    read_all(tmp_path, sessions, blobs, OLD)
    total, calls = count(sessions, OLD.encoder_id), 0

    def dying(texts: Sequence[str]) -> Vectors:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return NEW.encode(texts)

    with pytest.raises(KeyboardInterrupt):
        run(sessions, replace(NEW, encode=dying))
    assert count(sessions, NEW.encoder_id) == 6
    with sessions() as session:
        require_encoder(session, OLD.encoder_id)  # the old ones answer
    upload(sessions, blobs, user, b"Uploaded in between.", file_name="late.txt")
    read_all(tmp_path, sessions, blobs, OLD)
    vectors, _ = run(sessions, NEW)
    assert vectors == total - 6 + 1
    assert count(sessions, NEW.encoder_id) == total + 1


def test_a_chunk_that_goes_while_it_is_embedded_is_left_out(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    document_id = upload(sessions, blobs, user, b"Soon gone.").document_id or 0
    upload(sessions, blobs, user, b"Here to stay.", file_name="b.txt")
    read_all(tmp_path, sessions, blobs, OLD)

    def encode(texts: Sequence[str]) -> Vectors:
        with sessions.begin() as session:
            if session.get_one(Document, document_id).deleted_at is None:
                removal.delete_document(session, user, document_id)
        return NEW.encode(texts)

    run(sessions, replace(NEW, encode=encode))
    assert count(sessions, NEW.encoder_id) == 1


def test_chunks_cut_again_equal_those_of_a_fresh_reading_and_offsets_stay_true(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT, file_name="rules.md")
    read_all(tmp_path, sessions, blobs, OLD)
    coarse = chunks(sessions)
    assert run(sessions, OLD, chunk_tokens=40) == (0, 1)
    fine = chunks(sessions)
    assert len(fine) > len(coarse)
    assert run(sessions, OLD, chunk_tokens=40) == (0, 0)
    upload(sessions, blobs, user, TEXT, file_name="rules.md", on_existing="replace")
    read_all(tmp_path, sessions, blobs, OLD, chunk_tokens=40)
    assert chunks(sessions) == fine
    assert count(sessions, OLD.encoder_id) == len(fine)


def test_a_document_without_outline_is_read_again_by_a_worker(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT, file_name="rules.md")
    read_all(tmp_path, sessions, blobs, OLD)
    with sessions.begin() as session:
        session.execute(update(DocumentVersion).values(outline=None))
    before = chunks(sessions)
    result = reindex(sessions, OLD, chunk_tokens=40, tell=quiet)
    assert (result.documents, result.to_read_again) == (0, 1)
    assert chunks(sessions) == before  # it answers as it is until then
    read_all(tmp_path, sessions, blobs, OLD, chunk_tokens=40)
    assert len(chunks(sessions)) > len(before)


def test_a_worker_changes_over_and_never_stores_the_old_encoders_vectors(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account, engine: Engine
) -> None:
    upload(sessions, blobs, user, b"First.")
    read_all(tmp_path, sessions, blobs, OLD)
    run(sessions, NEW)
    upload(sessions, blobs, user, b"Second.", file_name="b.txt")
    read_all(tmp_path, sessions, blobs, OLD)  # a worker that does not change over: its result is refused
    assert count(sessions, NEW.encoder_id) == 1
    with sessions.begin() as session:
        session.execute(text("UPDATE jobs SET run_after = created_at"))
    stop = threading.Event()
    thread = threading.Thread(
        target=run_worker,
        args=(settings_for(tmp_path), engine, blobs, replace(NEW, encoder_id=NEW.encoder_id)),
        kwargs={"stop": stop, "until_idle": True},
    )
    thread.start()
    thread.join(60)
    assert count(sessions, NEW.encoder_id) == 2


@pytest.fixture
def build() -> Callable[[Settings], Services]:
    from app.services import assemble_services

    return lambda settings: assemble_services(settings, replace(fake_models(), ingest=OLD))


def test_questions_are_answered_throughout_while_the_service_changes_over(client: TestClient) -> None:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    client.post("/v1/documents", files=[("files", ("rules.md", TEXT))])
    client.post("/v1/documents", files=[("files", ("leave.txt", b"Everyone has 28 days of leave."))])
    work = Worker(services.settings, services.sessions, services.blobs, OLD, stop=threading.Event())
    while work.run_next() is not None:
        pass
    states: list[str] = []
    done = threading.Event()

    def questions() -> None:
        while not done.is_set():
            answer = client.post("/v1/ask", json={"question": "How many days of leave has everyone?"}).json()
            states.append(answer.get("state") or answer["code"])

    thread = threading.Thread(target=questions)
    thread.start()
    try:
        run(services.sessions, NEW, chunk_tokens=40)
        deadline = time.monotonic() + 60
        while client.app.state.services.models.ingest.encoder_id != "new@1":  # type: ignore[attr-defined]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        asked = len(states)
        while len(states) < asked + 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        done.set()  # or the questions would never end
        thread.join(60)
    assert set(states) == {"answered"}
    assert client.get("/readyz").status_code == 200
