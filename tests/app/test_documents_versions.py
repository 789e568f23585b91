"""Known bytes and names, new versions beside old ones, on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from app.accounts.types import Account
from app.db import Sessions
from app.documents import removal, repository, versions
from app.documents.blobs import BlobStore
from app.documents.identity import OnExisting
from app.documents.index_sync import load_chunks
from app.documents.sweeping import Swept, sweep
from app.errors import DocumentNotFound
from app.jobs.failures import Failure
from app.jobs.queue import JobQueue, RetryPolicy
from app.jobs.types import LeasedJob, LeaseLost
from app.tables import ChunkRow, Document, DocumentPage, DocumentVersion
from tests.app.factories import ingested, second_user, upload

BROKEN = Failure("file_damaged", "parse", "The file is damaged.", "Save it again.", permanent=True)


@pytest.fixture
def queue(sessions: Sessions) -> JobQueue:
    return JobQueue(sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 0))


def leased(queue: JobQueue) -> LeasedJob:
    job = queue.take_next()
    assert job is not None
    return job


def read(queue: JobQueue, *passages: str) -> int:
    """Completes the next job; returns its document's id."""
    job = leased(queue)
    queue.complete(job, ingested(passages), "hash-64")
    return job.document_id


def document(sessions: Sessions, document_id: int) -> Document:
    with sessions() as session:
        return session.get_one(Document, document_id)


def states(sessions: Sessions, document_id: int) -> list[tuple[int, str]]:
    with sessions() as session:
        return [(row.number, row.state) for row in versions.list_of(session, document_id)]


def answering(sessions: Sessions, user: Account) -> list[tuple[str, int, str]]:
    """(text, version, file name) of everything that a question may find."""
    with sessions() as session:
        found = load_chunks(session, user)(session.scalars(select(ChunkRow.id)).all())
    return sorted((chunk.text, chunk.document_version, chunk.file_name) for chunk in found.values())


def test_the_same_bytes_are_skipped_whatever_their_name(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    first = upload(sessions, blobs, user, b"x", file_name="a.txt")
    again = upload(sessions, blobs, user, b"x", file_name="b.txt")
    assert (again.status, again.document_id) == ("duplicate", first.document_id)
    assert upload(sessions, blobs, user, b"x", collection="Other").status == "queued"


def test_keeping_both_makes_documents_of_their_own_that_share_their_bytes(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    ids = [upload(sessions, blobs, user, b"x", on_existing="keep_both").document_id for _ in range(3)]
    assert len(set(ids)) == 3
    with sessions.begin() as session:
        removal.delete_document(session, user, ids[0] or 0)
    sweep(sessions, blobs, keep_versions=0)
    assert len(list(blobs.digests())) == 1
    with sessions() as session:
        assert sorted(session.scalars(select(Document.copy))) == [1, 2]
    assert upload(sessions, blobs, user, b"x").document_id == ids[1]


def test_a_known_name_with_other_bytes_is_added_and_offered_as_a_version(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    first = upload(sessions, blobs, user, b"one")
    second = upload(sessions, blobs, user, b"two")
    assert (second.status, second.same_name_as) == ("queued", first.document_id)
    assert second.document_id != first.document_id


def test_a_new_version_answers_only_when_it_is_ready(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    document_id = upload(sessions, blobs, user, b"one").document_id
    assert read(queue, "28 days") == document_id
    outcome = upload(sessions, blobs, user, b"two", on_existing="replace")
    assert (outcome.status, outcome.document_id, outcome.version) == ("queued", document_id, 2)
    job = leased(queue)
    assert answering(sessions, user) == [("28 days", 1, "a.txt")]
    queue.complete(job, ingested(["30 days"]), "hash-64")
    assert answering(sessions, user) == [("30 days", 2, "a.txt")]
    assert states(sessions, document_id) == [(2, "current"), (1, "replaced")]
    row = document(sessions, document_id)
    assert (row.status, row.version, row.ready_version) == ("ready", 2, 2)


def test_a_version_may_have_the_bytes_of_another_document_and_be_given_up_again(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    first = upload(sessions, blobs, user, b"one").document_id or 0
    read(queue, "28 days")
    second = upload(sessions, blobs, user, b"two", file_name="b.txt").document_id
    read(queue, "30 days")
    outcome = upload(sessions, blobs, user, b"two", on_existing="replace", document_id=first)
    assert (outcome.document_id, outcome.version) == (first, 2)
    third = upload(sessions, blobs, user, b"one", file_name="c.txt", on_existing="keep_both").document_id
    assert len({first, second, third}) == 3
    with sessions.begin() as session:  # its old bytes have become another document's, too
        assert versions.go_back(session, session.get_one(Document, first))
    row = document(sessions, first)
    assert (row.version, row.status, row.file_name) == (1, "ready", "a.txt")


@pytest.mark.parametrize("on_existing", ["skip", "replace"])
def test_bytes_that_a_waiting_version_is_about_to_replace_become_a_document_of_their_own(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, on_existing: OnExisting
) -> None:
    first = upload(sessions, blobs, user, b"one").document_id
    read(queue, "28 days")
    upload(sessions, blobs, user, b"two", on_existing="replace")
    copy = upload(sessions, blobs, user, b"one", file_name="b.txt", on_existing=on_existing)
    assert copy.status == "queued"
    assert copy.document_id != first
    read(queue, "30 days")
    read(queue, "28 days")
    assert answering(sessions, user) == [("28 days", 1, "b.txt"), ("30 days", 2, "a.txt")]


def test_a_new_version_that_fails_leaves_the_old_one_answering(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    document_id = upload(sessions, blobs, user, b"one").document_id or 0
    read(queue, "28 days")
    upload(sessions, blobs, user, b"two", on_existing="replace")
    queue.fail(leased(queue), BROKEN)
    row = document(sessions, document_id)
    assert (row.status, row.version, row.ready_version) == ("failed", 2, 1)
    assert row.error is not None
    assert answering(sessions, user) == [("28 days", 1, "a.txt")]
    with sessions.begin() as session:
        assert versions.go_back(session, session.get_one(Document, document_id))
    row = document(sessions, document_id)
    assert (row.status, row.version, row.error) == ("ready", 1, None)
    assert sweep(sessions, blobs, keep_versions=3) == Swept(versions=1)
    assert list(blobs.digests()) == [row.sha256]
    assert upload(sessions, blobs, user, b"one").status == "duplicate"


def test_a_version_that_is_overtaken_is_dropped_and_its_worker_stores_nothing(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    document_id = upload(sessions, blobs, user, b"one").document_id or 0
    read(queue, "first")
    upload(sessions, blobs, user, b"two", on_existing="replace")
    late = leased(queue)
    upload(sessions, blobs, user, b"three", on_existing="replace")
    with pytest.raises(LeaseLost):
        queue.complete(late, ingested(["second"]), "hash-64")
    read(queue, "third")
    assert answering(sessions, user) == [("third", 3, "a.txt")]
    assert states(sessions, document_id) == [(3, "current"), (1, "replaced")]
    sweep(sessions, blobs, keep_versions=3)
    assert len(list(blobs.digests())) == 2


def test_the_same_bytes_can_be_read_again_as_a_version(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    upload(sessions, blobs, user, b"one")
    assert upload(sessions, blobs, user, b"one", on_existing="replace").status == "duplicate"  # not read yet
    read(queue, "old parser")
    assert upload(sessions, blobs, user, b"one", on_existing="replace").version == 2
    read(queue, "new parser")
    assert answering(sessions, user) == [("new parser", 2, "a.txt")]
    sweep(sessions, blobs, keep_versions=0)
    assert len(list(blobs.digests())) == 1


def test_a_document_is_replaced_by_id_whatever_the_name(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    document_id = upload(sessions, blobs, user, b"one").document_id
    read(queue, "one")
    outcome = upload(
        sessions, blobs, user, b"two", file_name="b.txt", on_existing="replace", document_id=document_id
    )
    assert outcome.document_id == document_id
    assert answering(sessions, user) == [("one", 1, "a.txt")]
    read(queue, "two")
    assert answering(sessions, user) == [("two", 2, "b.txt")]
    with pytest.raises(DocumentNotFound):
        upload(sessions, blobs, second_user(sessions), b"3", on_existing="replace", document_id=document_id)


def test_replaced_versions_are_kept_as_long_as_the_setting_says(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    document_id = upload(sessions, blobs, user, b"0").document_id or 0
    read(queue, "text 0")
    for number in range(1, 5):
        upload(sessions, blobs, user, b"%d" % number, on_existing="replace")
        read(queue, f"text {number}")
    assert sweep(sessions, blobs, keep_versions=2) == Swept(versions=2)
    assert len(list(blobs.digests())) == 3
    with sessions() as session:
        rows = versions.list_of(session, document_id)
        assert [(row.number, row.purged_at is None) for row in rows] == [
            (5, True),
            (4, True),
            (3, True),
            (2, False),
            (1, False),
        ]
        kept = session.scalars(select(DocumentPage.version).order_by(DocumentPage.version)).all()
        assert kept == [3, 4, 5]
        page = repository.get_page(session, document_id, 3, 1)
        assert page is not None
        assert page.text == "text 2"


def test_deleting_a_document_takes_every_version_and_stops_its_worker(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    document_id = upload(sessions, blobs, user, b"one").document_id or 0
    read(queue, "one")
    upload(sessions, blobs, user, b"two", on_existing="replace")
    job = leased(queue)
    with sessions.begin() as session:
        removal.delete_document(session, user, document_id)
    with pytest.raises(LeaseLost):
        queue.complete(job, ingested(["two"]), "hash-64")
    sweep(sessions, blobs, keep_versions=3)
    assert list(blobs.digests()) == []
    with sessions() as session:
        for table in (Document, DocumentVersion, DocumentPage, ChunkRow):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_parallel_replacements_leave_one_version_in_waiting(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue
) -> None:
    document_id = upload(sessions, blobs, user, b"first").document_id or 0
    read(queue, "first")
    barrier = threading.Barrier(4)

    def replace(number: int) -> None:
        barrier.wait()
        upload(sessions, blobs, user, b"%d" % number, on_existing="replace")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(replace, range(4)))
    read(queue, "last")
    assert queue.take_next() is None
    assert states(sessions, document_id) == [(5, "current"), (1, "replaced")]
    sweep(sessions, blobs, keep_versions=0)
    assert len(list(blobs.digests())) == 1
