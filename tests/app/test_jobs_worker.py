"""The worker's decisions: what it stores, what it gives up, when it stops."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app.accounts.types import Account
from app.collections.service import get_or_create
from app.db import Sessions
from app.documents import removal, service
from app.documents.blobs import BlobStore
from app.documents.encoders import EncoderMismatch
from app.documents.uploads import register
from app.jobs.failures import classify
from app.jobs.lease import Lease
from app.jobs.queue import JobQueue, RetryPolicy
from app.jobs.types import LeaseLost, WorkerStopping
from app.jobs.worker import Worker, run_worker
from app.services import IngestModels
from app.settings import load_settings
from app.tables import ChunkRow, Document, Job
from ingest.errors import IngestError
from retrieval.types import Vectors
from tests.app.factories import upload
from tests.fakes import fake_ingest_models, hash_encode
from tests.ingest.samples import pdf

TEXT = b"Everyone has 28 days of leave."


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The worker's own logic does not depend on the database."""
    from app.db import migrate

    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    return url


def worker(
    tmp_path: Path,
    sessions: Sessions,
    blobs: BlobStore,
    models: IngestModels | None = None,
    stop: threading.Event | None = None,
    **settings: Any,
) -> Worker:
    values = {"data_dir": tmp_path, "retry_backoff_s": 0.0, "lease_s": 2.0, **settings}
    return Worker(
        load_settings({}, **values),
        sessions,
        blobs,
        models or fake_ingest_models(),
        stop=stop or threading.Event(),
    )


def only(sessions: Sessions) -> tuple[Document, Job]:
    with sessions() as session:
        document, job = session.execute(select(Document, Job).join(Job)).one()
        return document, job


def failing(error: Exception) -> IngestModels:
    def encode(texts: Sequence[str]) -> Vectors:
        raise error

    return replace(fake_ingest_models(), encode=encode)


def test_a_bad_file_fails_with_code_stage_cause_and_next_step(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, b"%PDF-1.7 and nothing else", file_name="cut.pdf")
    worker(tmp_path, sessions, blobs).run_next()
    document, job = only(sessions)
    assert (document.status, job.status, job.attempts) == ("failed", "dead", 1)
    assert document.error is not None
    assert set(document.error) == {"code", "stage", "file", "page", "cause", "next_step"}
    assert (document.error["stage"], document.error["file"]) == ("parse", "cut.pdf")


def test_missing_bytes_fail_once_and_say_so(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT)
    blobs.delete(only(sessions)[0].sha256)
    worker(tmp_path, sessions, blobs).run_next()
    document, job = only(sessions)
    assert (document.status, job.attempts) == ("failed", 1)
    assert document.error is not None
    assert document.error["code"] == "file_missing"


def test_an_unexpected_error_is_tried_again_and_then_shown(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT)
    broken = worker(tmp_path, sessions, blobs, failing(RuntimeError("bad weights")), max_attempts=2)
    broken.run_next()
    assert only(sessions)[1].status == "queued"
    broken.run_next()
    document, job = only(sessions)
    assert (document.status, job.status, job.attempts) == ("failed", "dead", 2)
    assert document.error is not None
    assert (document.error["code"], document.error["stage"]) == ("ingest_crashed", "embed")
    assert "bad weights" in document.error["cause"]


def test_a_stopping_worker_returns_its_job(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT)
    stop = threading.Event()

    def encode(texts: Sequence[str]) -> Vectors:
        stop.set()
        return hash_encode(texts)

    models = replace(fake_ingest_models(), encode=encode)
    worker(tmp_path, sessions, blobs, models, stop=stop).run_next()
    document, job = only(sessions)
    assert (document.status, job.status, job.attempts) == ("queued", "queued", 0)


def test_a_document_deleted_in_mid_work_stays_deleted(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    document_id = upload(sessions, blobs, user, TEXT).document_id
    assert document_id is not None

    def encode(texts: Sequence[str]) -> Vectors:
        with sessions.begin() as session:
            removal.delete_document(session, user, document_id)
        return hash_encode(texts)

    worker(tmp_path, sessions, blobs, replace(fake_ingest_models(), encode=encode)).run_next()
    with sessions() as session:
        assert session.scalars(select(ChunkRow)).all() == []
        assert session.scalars(select(Job)).all() == []


def test_other_documents_are_left_to_other_workers(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, b"not asked for")
    wanted = upload(sessions, blobs, user, b"asked for").document_id
    assert wanted is not None
    one = worker(tmp_path, sessions, blobs)
    job = one.run_next([wanted])
    assert job is not None
    assert job.document_id == wanted
    assert one.run_next([wanted]) is None


def test_run_worker_ends_when_it_is_told(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT)
    stop = threading.Event()
    settings = load_settings({}, data_dir=tmp_path, poll_interval_s=0.01)
    engine = sessions.kw["bind"]
    thread = threading.Thread(
        target=run_worker, args=(settings, engine, blobs, fake_ingest_models()), kwargs={"stop": stop}
    )
    thread.start()
    deadline = time.monotonic() + 30
    while only(sessions)[0].status != "ready" and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert only(sessions)[0].status == "ready"


def test_a_worker_with_another_encoder_does_not_start(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT)
    worker(tmp_path, sessions, blobs).run_next()
    other = replace(fake_ingest_models(), encoder_id="other")
    with pytest.raises(EncoderMismatch, match="hash-64"):
        run_worker(
            load_settings({}, data_dir=tmp_path), sessions.kw["bind"], blobs, other, stop=threading.Event()
        )


def test_a_lease_lives_as_long_as_the_work(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT)
    policy = RetryPolicy(lease_s=0.3, max_attempts=3, backoff_s=0)
    queue = JobQueue(sessions, "elsewhere|1|0.00|a", policy)
    job = queue.take_next()
    assert job is not None
    with Lease(queue, job, threading.Event()) as lease:
        time.sleep(0.8)
        other = JobQueue(sessions, "elsewhere|1|0.00|b", policy)
        assert other.reap() == 0
        time.sleep(0.4)
        assert other.reap() == 0
        lease.check()


def test_a_lost_lease_is_noticed(tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account) -> None:
    document_id = upload(sessions, blobs, user, TEXT).document_id
    assert document_id is not None
    queue = JobQueue(sessions, "elsewhere|1|0.00|a", RetryPolicy(0.3, 3, 0))
    job = queue.take_next()
    assert job is not None
    with Lease(queue, job, threading.Event()) as lease:
        with sessions.begin() as session:
            removal.delete_document(session, user, document_id)
        time.sleep(0.4)
        with pytest.raises(LeaseLost):
            lease.check()


def test_a_stop_is_noticed_between_two_steps(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    upload(sessions, blobs, user, TEXT)
    queue = JobQueue(sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 0))
    job = queue.take_next()
    assert job is not None
    stop = threading.Event()
    stop.set()
    with Lease(queue, job, stop) as lease, pytest.raises(WorkerStopping):
        lease.check()


@pytest.mark.parametrize(
    ("error", "code", "permanent"),
    [
        (IngestError("no_text", stage="parse", file_name="a", cause="c", next_step="n"), "no_text", True),
        (
            IngestError(
                "parse_memory", stage="parse", file_name="a", cause="c", next_step="n", permanent=False
            ),
            "parse_memory",
            False,
        ),
        (FileNotFoundError(2, "No such file"), "file_missing", True),
        (OSError(28, "No space left on device"), "disk_full", False),
        (OSError(13, "Permission denied"), "storage_failed", False),
        (OperationalError("INSERT", {}, Exception("database or disk is full")), "disk_full", False),
        (MemoryError(), "out_of_memory", False),
        (OperationalError("INSERT", {}, Exception("locked")), "database_unavailable", False),
        (ValueError("surprise"), "ingest_crashed", False),
    ],
)
def test_permanent_and_transient_are_told_apart(error: Exception, code: str, permanent: bool) -> None:
    failure = classify(error, "embed", "a.pdf")
    assert (failure.code, failure.permanent, failure.file) == (code, permanent, "a.pdf")
    assert all(value for key, value in failure.as_error().items() if key != "page")


def long_pdf() -> bytes:
    return pdf(*[[f"Page {page} tells about topic {page * 7}."] * 40 for page in range(600)])


@pytest.mark.parametrize("stage", ["parse", "embed"])
def test_stopping_frees_the_worker_within_seconds(
    tmp_path: Path, sessions: Sessions, blobs: BlobStore, user: Account, stage: str
) -> None:
    data = long_pdf() if stage == "parse" else TEXT * 2000
    with sessions.begin() as session:
        collection_id = get_or_create(session, user, "Default")
    staged = blobs.stage(io.BytesIO(data), 10**8)
    document_id = register(sessions, blobs, user, collection_id, f"long-{stage}", staged).document_id
    assert document_id is not None

    def encode(texts: Sequence[str]) -> Vectors:
        time.sleep(0.3)
        return hash_encode(texts)

    busy = worker(tmp_path, sessions, blobs, replace(fake_ingest_models(), encode=encode))
    thread = threading.Thread(target=busy.run_next)
    thread.start()
    deadline = time.monotonic() + 30
    while (only(sessions)[1].stages or [{}])[-1].get("stage") != stage and time.monotonic() < deadline:
        time.sleep(0.02)
    with sessions.begin() as session:
        assert service.cancel(session, user, document_id).cancelled
    stopped = time.monotonic()
    thread.join(20)
    assert time.monotonic() - stopped < 4.0  # about one on a quiet machine; without it, tens of seconds
    document, job = only(sessions)
    assert (document.status, job.status, job.attempts) == ("failed", "dead", 1)
    assert not list((tmp_path / "work").glob("*"))
    with sessions() as session:
        assert session.scalars(select(ChunkRow)).all() == []
