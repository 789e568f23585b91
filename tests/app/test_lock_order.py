"""On PostgreSQL nobody waits for somebody who waits for him: two transactions, interleaved step by step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, make_url, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import reindexing
from app.accounts.types import Account
from app.collections import service as collections
from app.db import Sessions, WriteLock, take_lock
from app.documents import removal, repository
from app.documents.blobs import BlobStore
from app.documents.tables import DocumentLikeness
from app.jobs.queue import JobQueue, RetryPolicy
from app.jobs.types import LeasedJob, LeaseLost
from app.jobs.worker import Worker
from app.settings import load_settings
from app.tables import ChunkRow, Document
from ingest.likeness import sketch
from ingest.types import IngestedDocument
from tests.app.factories import ingested, upload
from tests.fakes import fake_ingest_models

pytestmark = pytest.mark.postgres

LONGEST_WAIT_MS = 5_000  # for a lock; the server looks for deadlocks after a second
TEXT = " ".join(f"word{number}" for number in range(400))


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """Whoever waits too long for a lock gets an error."""
    options = {"options": f"-c lock_timeout={LONGEST_WAIT_MS}"}
    return make_url(postgres_url).update_query_dict(options).render_as_string(hide_password=False)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def queue(sessions: Sessions) -> JobQueue:
    return JobQueue(sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 0))


@pytest.fixture
def lease(sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue) -> Callable[..., LeasedJob]:
    def upload_and_lease(data: bytes, collection: str = "Default") -> LeasedJob:
        document_id = upload(sessions, blobs, user, data, collection=collection).document_id
        assert document_id is not None
        job = queue.take_next([document_id])
        assert job is not None
        return job

    return upload_and_lease


def alike() -> IngestedDocument:
    return replace(ingested([TEXT]), sketch=sketch(TEXT))


def wait_for_a_waiter(sessions: Sessions) -> None:
    """Returns when another transaction waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    give_up = time.monotonic() + LONGEST_WAIT_MS / 1000
    while time.monotonic() < give_up:
        with sessions() as session:
            if session.scalar(waiting):
                return
        time.sleep(0.01)
    pytest.fail("nobody waits")


def likenesses(sessions: Sessions) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(DocumentLikeness)) or 0


class TestADocumentThatIsFoundAlike:
    def test_it_may_be_stored_anew_at_that_moment(
        self, sessions: Sessions, queue: JobQueue, lease: Callable[..., LeasedJob]
    ) -> None:
        first, second = lease(b"first"), lease(b"second")
        queue.complete(first, alike(), "hash-64")
        with sessions.begin() as session:  # which holds it, and will wait for the index log
            assert repository.lock(session, first.document_id) is not None
            queue.complete(second, alike(), "hash-64")
            take_lock(session, WriteLock.INDEX_LOG)
        assert likenesses(sessions) == 1

    def test_it_may_be_deleted_at_that_moment(
        self,
        sessions: Sessions,
        user: Account,
        queue: JobQueue,
        lease: Callable[..., LeasedJob],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        first, second = lease(b"first"), lease(b"second")
        queue.complete(first, alike(), "hash-64")

        def take_lock_after_the_other(session: Session, lock: WriteLock) -> None:
            queue.complete(second, alike(), "hash-64")
            take_lock(session, lock)

        monkeypatch.setattr(removal, "take_lock", take_lock_after_the_other)
        with sessions.begin() as session:
            removal.delete_document(session, user, first.document_id)
        assert likenesses(sessions) == 1


class TestADeletedCollection:
    @pytest.fixture
    def delete_during(
        self, sessions: Sessions, user: Account, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[int, Callable[[], object]], Future[object]]:
        """Deletes a collection; when that holds the collection and no document yet, begins something else."""

        def delete(collection_id: int, other: Callable[[], object]) -> Future[object]:
            begun: list[Future[object]] = []

            def begin_the_other(_session: Session, _collection_id: int) -> None:
                begun.append(pool.submit(other))
                wait_for_a_waiter(sessions)

            monkeypatch.setattr(collections.site_reads, "delete_of_collection", begin_the_other)
            with sessions.begin() as session:
                collections.delete(session, user, collection_id)
            return begun[0]

        return delete

    def test_a_document_of_it_that_is_read_to_the_end_is_not_stored(
        self,
        sessions: Sessions,
        queue: JobQueue,
        lease: Callable[..., LeasedJob],
        delete_during: Callable[[int, Callable[[], object]], Future[object]],
    ) -> None:
        job = lease(b"text", collection="Short-lived")
        complete = partial(queue.complete, job, ingested(["text"]), "hash-64")
        stored = delete_during(job.collection_id, complete)
        with pytest.raises(LeaseLost, match="collection"):
            stored.result()
        with sessions() as session:
            assert session.scalars(select(ChunkRow)).all() == []

    def test_a_document_of_it_that_is_cut_again_is_left(
        self,
        sessions: Sessions,
        blobs: BlobStore,
        user: Account,
        delete_during: Callable[[int, Callable[[], object]], Future[object]],
        tmp_path: Path,
    ) -> None:
        models = fake_ingest_models()
        document_id = upload(sessions, blobs, user, TEXT.encode(), collection="Short-lived").document_id
        settings = load_settings({}, data_dir=tmp_path, chunk_tokens=100)
        Worker(settings, sessions, blobs, models, stop=threading.Event()).run_next()
        with sessions() as session:
            document = session.get_one(Document, document_id)
        cut = partial(reindexing.reindex, sessions, models, chunk_tokens=50, tell=lambda _: None)
        result = delete_during(document.collection_id, cut).result()
        assert result == reindexing.Reindexed()


def test_an_upload_holds_documents_in_the_order_of_a_deletion(
    sessions: Sessions, blobs: BlobStore, user: Account, pool: ThreadPoolExecutor
) -> None:
    """The newer one has the upload's bytes, the older one its name."""
    first = upload(sessions, blobs, user, b"one", file_name="a.txt").document_id
    second = upload(sessions, blobs, user, b"two", file_name="b.txt").document_id
    assert first is not None
    assert second is not None
    with sessions.begin() as session:
        repository.lock(session, first)
        sent = pool.submit(upload, sessions, blobs, user, b"two", file_name="a.txt")
        wait_for_a_waiter(sessions)
        repository.lock(session, second)
    assert sent.result().status == "duplicate"


def test_a_deletion_of_very_many_documents_holds_all_of_them_before_the_index_log(
    sessions: Sessions, blobs: BlobStore, user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [upload(sessions, blobs, user, b"%d" % number).document_id or 0 for number in range(2)]
    monkeypatch.setattr(repository, "parts", lambda ids: [[each] for each in ids])

    def take_lock_while_all_are_held(session: Session, lock: WriteLock) -> None:
        for document_id in ids:
            held = select(Document.id).where(Document.id == document_id)
            with sessions() as other, pytest.raises(OperationalError, match="could not obtain lock"):
                other.execute(held.with_for_update(nowait=True))
        take_lock(session, lock)

    monkeypatch.setattr(removal, "take_lock", take_lock_while_all_are_held)
    with sessions.begin() as session:
        assert removal.delete_documents(session, user, ids) == 2
