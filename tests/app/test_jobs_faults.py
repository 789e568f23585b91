"""A locked database and a full disk in the middle of the work: told clearly, and over by itself."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from app import db
from app.accounts.types import Account
from app.db import Sessions, create_engine, make_sessions, migrate
from app.documents.blobs import BlobStore
from app.jobs.worker import run_worker
from app.services import IngestModels
from app.settings import Settings, load_settings
from app.tables import ChunkRow, Document, Job, VectorRow
from ingest.errors import IngestError
from ingest.parse import parse
from ingest.types import ParseLimits
from retrieval.types import Vectors
from tests.app.factories import upload
from tests.fakes import fake_ingest_models, hash_encode

FAULT_S = 1.5
TEXT = b"Everyone has 28 days of leave. " * 200


@pytest.fixture
def database_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 100)
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    return url


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {}, data_dir=tmp_path, lease_s=1.5, poll_interval_s=0.05, retry_backoff_s=0.3, max_attempts=10
    )


def struck_by(fault: Callable[[], None]) -> IngestModels:
    """An encoder during whose first call something happens to the machine."""
    struck = threading.Event()

    def encode(texts: Sequence[str]) -> Vectors:
        if not struck.is_set():
            struck.set()
            fault()
        return hash_encode(texts)

    return replace(fake_ingest_models(), encode=encode)


@pytest.fixture
def work(
    settings: Settings, engine: Engine, blobs: BlobStore
) -> Iterator[Callable[[IngestModels], threading.Thread]]:
    """Starts a worker; it is stopped at the end of the test."""
    stop, threads = threading.Event(), []

    def start(models: IngestModels) -> threading.Thread:
        thread = threading.Thread(
            target=run_worker, args=(settings, engine, blobs, models), kwargs={"stop": stop}
        )
        threads.append(thread)
        thread.start()
        return thread

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)


def wait_until_ready(sessions: Sessions) -> list[dict[str, Any]]:
    """Every error that the job showed on its way."""
    errors: list[dict[str, Any]] = []
    give_up = time.monotonic() + 40
    while time.monotonic() < give_up:
        with sessions() as session:
            document, job = session.execute(select(Document, Job).join(Job)).one()
        if job.error is not None and job.error not in errors:
            errors.append(job.error)
        if document.status == "ready":
            return errors
        assert document.status != "failed", document.error
        time.sleep(0.02)
    pytest.fail("the document never became ready")


def assert_stored_once(sessions: Sessions) -> None:
    with sessions() as session:
        chunks = session.execute(select(ChunkRow.id, ChunkRow.position).order_by(ChunkRow.id)).all()
        assert [position for _, position in chunks] == list(range(len(chunks)))
        assert chunks
        assert set(session.scalars(select(VectorRow.chunk_id))) == {chunk_id for chunk_id, _ in chunks}


def test_a_database_that_is_locked_for_a_while_costs_only_that_while(
    database_url: str, sessions: Sessions, user: Account, blobs: BlobStore, work: Callable[..., Any]
) -> None:
    upload(sessions, blobs, user, TEXT)
    path = database_url.removeprefix("sqlite:///")

    def lock() -> None:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE").close()
        timer = threading.Timer(FAULT_S, lambda: (other.execute("ROLLBACK").close(), other.close()))
        timer.start()

    work(struck_by(lock))
    wait_until_ready(sessions)
    assert_stored_once(sessions)


def test_a_full_disk_is_named_and_the_job_goes_on_when_there_is_room(
    engine: Engine, sessions: Sessions, user: Account, blobs: BlobStore, work: Callable[..., Any]
) -> None:
    upload(sessions, blobs, user, TEXT)
    full = threading.Event()

    @event.listens_for(engine, "checkout")
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        """SQLite itself refuses to grow: the same error as from a disk without room."""
        pages = 1 if full.is_set() else 1_000_000  # no less than it has
        connection.execute(f"PRAGMA max_page_count = {pages}").close()

    def fill() -> None:
        full.set()
        threading.Timer(FAULT_S, full.clear).start()

    work(struck_by(fill))
    errors = wait_until_ready(sessions)
    assert [(error["code"], error["file"]) for error in errors] == [("disk_full", "a.txt")]
    assert_stored_once(sessions)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB; needs the right to mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_parser_without_room_for_its_result_says_so(tmp_path: Path, small_disk: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(TEXT * 100)
    with pytest.raises(IngestError) as caught:
        parse(path, "long.txt", ParseLimits(), lambda *_: None, keep=small_disk)
    assert (caught.value.code, caught.value.permanent) == ("parse_disk_full", False)
    assert list(small_disk.iterdir()) == []


def test_a_worker_finds_nothing_to_do_while_the_database_is_locked_and_goes_on(
    database_url: str, sessions: Sessions, user: Account, blobs: BlobStore, work: Callable[..., Any]
) -> None:
    upload(sessions, blobs, user, TEXT)
    engine = create_engine(database_url)
    with make_sessions(engine).begin():
        work(fake_ingest_models())
        time.sleep(0.5)
        with sessions() as session:
            assert session.scalars(select(Job.status)).all() == ["queued"]
    engine.dispose()
    assert wait_until_ready(sessions) == []
