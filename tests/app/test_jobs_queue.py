"""The queue on SQLite and PostgreSQL: a job belongs to one worker, nothing is lost, nothing done twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.accounts.types import Account
from app.db import Sessions
from app.documents import index_log, removal
from app.documents import repository as documents
from app.documents.blobs import BlobStore
from app.documents.sweeping import sweep
from app.jobs import cancelling
from app.jobs import queue as queue_module
from app.jobs.failures import Failure
from app.jobs.identity import new_worker_id
from app.jobs.queue import JobQueue, RetryPolicy
from app.jobs.types import JobProgress, LeasedJob, LeaseLost, StageCount
from app.tables import ChunkRow, Document, IndexChangeRow, Job, VectorRow, utc_now
from tests.app.factories import ingested, upload

POLICY = RetryPolicy(lease_s=30, max_attempts=2, backoff_s=4)
TRANSIENT = Failure("storage_failed", "embed", "It broke.", "Try again.", permanent=False)
PERMANENT = Failure("file_damaged", "parse", "It is broken.", "Repair it.", permanent=True)


EMBEDDING = StageCount("embed", 1, 2)
HALF_WAY = JobProgress(EMBEDDING, (StageCount("parse", 3, 3), EMBEDDING), seconds_left=7.5)


class Monotonic:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def queue(sessions: Sessions, monotonic: Monotonic) -> JobQueue:
    return JobQueue(sessions, new_worker_id(), POLICY, clock=monotonic)


@pytest.fixture
def other(sessions: Sessions, monotonic: Monotonic) -> JobQueue:
    return JobQueue(sessions, new_worker_id(), POLICY, clock=monotonic)


@pytest.fixture
def document_id(sessions: Sessions, blobs: BlobStore, user: Account) -> int:
    document_id = upload(sessions, blobs, user, b"hello").document_id
    assert document_id is not None
    return document_id


def taken(queue: JobQueue) -> LeasedJob:
    job = queue.take_next()
    assert job is not None
    return job


def state(sessions: Sessions) -> tuple[str, str, int]:
    """Status of the only document, status and attempts of its only job."""
    with sessions() as session:
        document, job = session.execute(select(Document, Job).join(Job)).one()
        return document.status, job.status, job.attempts


def let_time_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(queue_module, "utc_now", lambda: utc_now() + timedelta(seconds=seconds))


def count(sessions: Sessions, table: type) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_leased_job_is_not_given_to_another_worker(
    sessions: Sessions, queue: JobQueue, other: JobQueue, document_id: int
) -> None:
    job = taken(queue)
    assert (job.document_id, job.attempts) == (document_id, 1)
    assert other.take_next() is None
    assert state(sessions) == ("processing", "running", 1)


def test_workers_that_ask_together_get_different_jobs(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    for number in range(6):
        upload(sessions, blobs, user, b"%d" % number)
    barrier = threading.Barrier(6)

    def take(_: int) -> int:
        queue = JobQueue(sessions, new_worker_id(), POLICY)
        barrier.wait()
        while (job := queue.take_next()) is None:  # on PostgreSQL all may try for the same row first
            pass
        return job.job_id

    with ThreadPoolExecutor(6) as pool:
        jobs = list(pool.map(take, range(6)))
    assert len(set(jobs)) == 6


def test_completion_stores_everything_at_once(sessions: Sessions, queue: JobQueue, document_id: int) -> None:
    queue.complete(taken(queue), ingested(["one fish", "two fish"]), "hash-64")
    assert state(sessions) == ("ready", "done", 1)
    with sessions() as session:
        document = session.get_one(Document, document_id)
        assert (document.page_count, document.chunk_count, document.paged) == (1, 2, True)
        assert document.report is not None
        assert document.report["seconds"] == {"parse": 0.1}
        changes = session.execute(select(IndexChangeRow.document_id, IndexChangeRow.action)).all()
        assert changes == [(document_id, "add")]
    assert (count(sessions, ChunkRow), count(sessions, VectorRow)) == (2, 2)


def test_text_that_a_database_refuses_is_replaced_without_moving_offsets(
    sessions: Sessions, queue: JobQueue, document_id: int
) -> None:
    queue.complete(taken(queue), ingested(["nul \0 here", "surrogate \ud800 there"]), "hash-64")
    with sessions() as session:
        texts = list(session.scalars(select(ChunkRow.text).order_by(ChunkRow.position)))
    assert texts == ["nul \ufffd here", "surrogate \ufffd there"]


def test_a_worker_that_was_presumed_dead_changes_nothing(
    sessions: Sessions,
    queue: JobQueue,
    other: JobQueue,
    document_id: int,
    monotonic: Monotonic,
) -> None:
    late = taken(queue)
    assert other.reap() == 0
    monotonic.now_s += 31
    assert other.reap() == 1
    other.complete(taken(other), ingested(["from the second worker"]), "hash-64")
    for act in (
        lambda: queue.heartbeat(late),
        lambda: queue.progress(late, HALF_WAY),
        lambda: queue.complete(late, ingested(["from", "the", "first"]), "hash-64"),
        lambda: queue.fail(late, PERMANENT),
        lambda: queue.release(late),
    ):
        with pytest.raises(LeaseLost):
            act()
    assert state(sessions) == ("ready", "done", 2)
    assert (count(sessions, ChunkRow), count(sessions, IndexChangeRow)) == (1, 1)


def test_a_heartbeat_keeps_the_lease(
    sessions: Sessions, queue: JobQueue, other: JobQueue, document_id: int, monotonic: Monotonic
) -> None:
    job = taken(queue)
    assert other.reap() == 0
    monotonic.now_s += 25
    queue.heartbeat(job)
    assert other.reap() == 0
    monotonic.now_s += 25
    assert other.reap() == 0
    assert state(sessions)[1] == "running"


@pytest.mark.parametrize("hours", [-50, 50])
def test_a_clock_that_jumps_takes_no_job_from_its_worker(
    sessions: Sessions,
    queue: JobQueue,
    other: JobQueue,
    document_id: int,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    job = taken(queue)
    assert other.reap() == 0
    let_time_pass(monkeypatch, hours * 3600)
    assert other.reap() == 0
    queue.heartbeat(job)
    queue.complete(job, ingested(["unharmed"]), "hash-64")
    assert state(sessions) == ("ready", "done", 1)


def test_a_clock_that_jumps_does_not_save_a_silent_worker(
    sessions: Sessions,
    queue: JobQueue,
    other: JobQueue,
    document_id: int,
    monotonic: Monotonic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken(queue)
    let_time_pass(monkeypatch, -50 * 3600)
    assert other.reap() == 0
    monotonic.now_s += 31
    assert other.reap() == 1
    assert taken(other).attempts == 2


def test_a_job_that_waits_is_not_lost_when_the_clock_is_turned_back(
    sessions: Sessions, queue: JobQueue, document_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_time_pass(monkeypatch, -50 * 3600)
    assert taken(queue).document_id == document_id


def test_progress_is_stored_with_every_stage_and_the_time_left(
    sessions: Sessions, queue: JobQueue, document_id: int
) -> None:
    queue.progress(taken(queue), HALF_WAY)
    with sessions() as session:
        job = session.scalars(select(Job)).one()
    assert (job.stage, job.stage_done, job.stage_total, job.seconds_left) == ("embed", 1, 2, 7.5)
    assert job.stages == [
        {"stage": "parse", "done": 3, "total": 3},
        {"stage": "embed", "done": 1, "total": 2},
    ]
    assert job.started_at is not None


def cancelled(sessions: Sessions, document_id: int) -> bool:
    with sessions.begin() as session:
        document = documents.lock(session, document_id)
        assert document is not None
        return cancelling.cancel(session, document)


@pytest.mark.parametrize("running", [False, True])
def test_cancelling_ends_the_job_and_the_worker_stores_nothing(
    sessions: Sessions, queue: JobQueue, document_id: int, running: bool
) -> None:
    job = taken(queue) if running else None
    assert cancelled(sessions, document_id)
    assert state(sessions)[:2] == ("failed", "dead")
    if job is not None:
        for act in (lambda: queue.progress(job, HALF_WAY), lambda: queue.release(job)):
            with pytest.raises(LeaseLost):
                act()
        with pytest.raises(LeaseLost):
            queue.complete(job, ingested(["too late"]), "hash-64")
    assert queue.take_next() is None
    assert count(sessions, ChunkRow) == 0
    with sessions() as session:
        error = session.get_one(Document, document_id).error
    assert error is not None
    assert (error["code"], error["file"]) == ("cancelled", "a.txt")
    assert not cancelled(sessions, document_id)


def test_cancelling_what_is_ready_changes_nothing(
    sessions: Sessions, queue: JobQueue, document_id: int
) -> None:
    queue.complete(taken(queue), ingested(["done"]), "hash-64")
    assert not cancelled(sessions, document_id)
    assert state(sessions) == ("ready", "done", 1)


def test_the_job_of_a_dead_process_is_taken_back_before_its_lease_ends(
    sessions: Sessions, other: JobQueue, document_id: int
) -> None:
    host, _, started, _ = new_worker_id().split("|")
    gone = JobQueue(sessions, f"{host}|999999999|{started}|x", POLICY)
    taken(gone)
    assert other.reap() == 1
    assert state(sessions) == ("queued", "queued", 1)


def test_the_job_of_a_worker_on_another_host_waits_for_its_lease(
    sessions: Sessions, other: JobQueue, document_id: int
) -> None:
    taken(JobQueue(sessions, "elsewhere|1|0.00|x", POLICY))
    assert other.reap() == 0


def test_a_file_that_kills_its_workers_is_given_up(
    sessions: Sessions, queue: JobQueue, document_id: int, monotonic: Monotonic
) -> None:
    for _ in (1, 2):
        taken(queue)
        assert queue.reap() == 0
        monotonic.now_s += 31
        assert queue.reap() == 1
    assert state(sessions) == ("failed", "dead", 2)
    with sessions() as session:
        error = session.get_one(Document, document_id).error
    assert error is not None
    assert error["code"] == "worker_lost"


def test_a_transient_failure_is_tried_again_after_a_pause(
    sessions: Sessions, queue: JobQueue, document_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.fail(taken(queue), TRANSIENT)
    assert state(sessions) == ("queued", "queued", 1)
    assert queue.take_next() is None
    assert not queue.is_drained()
    let_time_pass(monkeypatch, 5)
    queue.fail(taken(queue), TRANSIENT)
    assert state(sessions) == ("failed", "dead", 2)
    assert queue.is_drained()


def test_pauses_double() -> None:
    assert [POLICY.pause(attempts).total_seconds() for attempts in (1, 2, 3)] == [4, 8, 16]


def test_a_permanent_failure_is_not_tried_again(
    sessions: Sessions, queue: JobQueue, document_id: int
) -> None:
    queue.fail(taken(queue), PERMANENT)
    assert state(sessions) == ("failed", "dead", 1)
    with sessions() as session:
        assert session.get_one(Document, document_id).error == PERMANENT.as_error()


def test_a_stopping_worker_gives_its_job_back_untried(
    sessions: Sessions, queue: JobQueue, document_id: int
) -> None:
    queue.release(taken(queue))
    assert state(sessions) == ("queued", "queued", 0)


def test_deleting_a_document_stops_its_worker(
    sessions: Sessions, queue: JobQueue, user: Account, document_id: int
) -> None:
    job = taken(queue)
    with sessions.begin() as session:
        removal.delete_document(session, user, document_id)
    with pytest.raises(LeaseLost):
        queue.progress(job, HALF_WAY)
    with pytest.raises(LeaseLost):
        queue.complete(job, ingested(["too late"]), "hash-64")
    assert count(sessions, ChunkRow) == 0


def test_completion_and_deletion_at_once_never_leave_chunks(
    sessions: Sessions, queue: JobQueue, user: Account, blobs: BlobStore
) -> None:
    for number in range(8):
        document_id = upload(sessions, blobs, user, b"%d" % number).document_id
        assert document_id is not None
        _race(sessions, queue, user, document_id)
    assert sweep(sessions, blobs, keep_versions=3).documents == 8
    assert (count(sessions, ChunkRow), count(sessions, VectorRow), count(sessions, Job)) == (0, 0, 0)


def _race(sessions: Sessions, queue: JobQueue, user: Account, document_id: int) -> None:
    job, barrier = taken(queue), threading.Barrier(2)

    def complete() -> None:
        barrier.wait()
        try:
            queue.complete(job, ingested(["a", "b"]), "hash-64")
        except LeaseLost:
            return

    def delete() -> None:
        barrier.wait()
        with sessions.begin() as session:
            removal.delete_document(session, user, document_id)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(complete), pool.submit(delete)]:
            future.result()


def test_ids_of_index_changes_follow_commit_order(sessions: Sessions) -> None:
    """A second writer gets no id before the first has committed: no smaller id ever appears later."""
    second_has_its_id = threading.Event()

    def second() -> None:
        with sessions.begin() as session:
            index_log.append(session, 1, 2, "add")
            second_has_its_id.set()

    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as session:
            index_log.append(session, 1, 1, "add")
            later = pool.submit(second)
            assert not second_has_its_id.wait(0.5)
        later.result(30)
    with sessions() as session:
        statement = select(IndexChangeRow.document_id).order_by(IndexChangeRow.id)
        assert session.scalars(statement).all() == [1, 2]
