"""Uploads and deletions on both databases: no bytes lost, none left behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections import service as collections
from app.db import Sessions
from app.documents import removal, repository, sweeping, uploads
from app.documents.blobs import BlobStore, StorageFull
from app.documents.index_sync import load_chunks
from app.documents.sweeping import Swept, sweep
from app.documents.uploads import FileEmpty, register
from app.errors import CollectionNotFound, Conflict, DocumentNotFound
from app.jobs.queue import JobQueue, RetryPolicy
from app.tables import (
    ChunkRow,
    Collection,
    Document,
    DocumentPage,
    DocumentVersion,
    IndexChangeRow,
    Job,
    VectorRow,
)
from tests.app.factories import LIMIT_BYTES, ingested, second_user, upload


def count(sessions: Sessions, table: type) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def delete(sessions: Sessions, blobs: BlobStore, user: Account, document_id: int) -> None:
    with sessions.begin() as session:
        removal.delete_document(session, user, document_id)
    sweep(sessions, blobs, keep_versions=3)


def complete(sessions: Sessions) -> None:
    queue = JobQueue(sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 0))
    while (job := queue.take_next()) is not None:
        queue.complete(job, ingested(["one", "two"]), "hash-64")


def test_an_empty_file_leaves_nothing(sessions: Sessions, blobs: BlobStore, user: Account) -> None:
    with pytest.raises(FileEmpty):
        upload(sessions, blobs, user, b"")
    assert (list(blobs.digests()), count(sessions, Document)) == ([], 0)


def test_a_foreign_collection_leaves_nothing(sessions: Sessions, blobs: BlobStore, user: Account) -> None:
    staged = blobs.stage(io.BytesIO(b"x"), LIMIT_BYTES)
    with pytest.raises(CollectionNotFound):
        register(sessions, blobs, second_user(sessions), 1, "a.txt", staged)
    assert (list(blobs.digests()), staged.path.exists(), count(sessions, Document)) == ([], False, 0)


def test_a_failure_after_the_rename_leaves_nothing(
    sessions: Sessions, blobs: BlobStore, user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFull("No space for the row.")

    monkeypatch.setattr(uploads.jobs, "enqueue", full)
    with pytest.raises(StorageFull):
        upload(sessions, blobs, user, b"x")
    assert (list(blobs.digests()), count(sessions, Document)) == ([], 0)


def test_parallel_uploads_of_the_same_bytes_are_one_document(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    barrier = threading.Barrier(4)

    def one(_: int) -> str:
        barrier.wait()
        return upload(sessions, blobs, user, b"same").status

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(4))) == ["duplicate"] * 3 + ["queued"]
    assert (count(sessions, Document), count(sessions, Job)) == (1, 1)


@pytest.mark.parametrize("left", [None, b"", b"some of "])
def test_an_upload_restores_lost_bytes(
    sessions: Sessions, blobs: BlobStore, user: Account, left: bytes | None
) -> None:
    """The doctor says to upload again what is gone or cut off."""
    upload(sessions, blobs, user, b"some of them")
    (digest,) = blobs.digests()
    if left is None:
        blobs.delete(digest)
    else:
        blobs.path(digest).write_bytes(left)
    assert upload(sessions, blobs, user, b"some of them").status == "duplicate"
    assert list(blobs.digests()) == [digest]
    assert blobs.path(digest).read_bytes() == b"some of them"


def test_deletion_hides_in_one_transaction_and_a_sweep_leaves_nothing(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    document_id = upload(sessions, blobs, user, b"x").document_id
    assert document_id is not None
    complete(sessions)
    with sessions() as session:
        chunk_ids = session.scalars(select(ChunkRow.id)).all()
    with sessions.begin() as session:
        removal.delete_document(session, user, document_id)
    with sessions() as session:
        assert repository.get(session, user.id, document_id) is None
        assert load_chunks(session, user)(chunk_ids) == {}
    assert sweep(sessions, blobs, keep_versions=3) == Swept(documents=1)
    left = (Document, DocumentVersion, DocumentPage, ChunkRow, VectorRow, Job)
    assert [count(sessions, table) for table in left] == [0] * 6
    with sessions() as session:
        actions = session.scalars(select(IndexChangeRow.action).order_by(IndexChangeRow.id)).all()
    assert (actions, list(blobs.digests())) == (["add", "delete"], [])
    with pytest.raises(DocumentNotFound):
        delete(sessions, blobs, user, document_id)


def test_a_sweep_that_was_killed_after_the_bytes_goes_on(
    sessions: Sessions, blobs: BlobStore, user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    document_id = upload(sessions, blobs, user, b"x").document_id
    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "_purge", killed)
        with pytest.raises(KeyboardInterrupt):
            delete(sessions, blobs, user, document_id or 0)
    assert sweep(sessions, blobs, keep_versions=3) == Swept(documents=1)
    assert (list(blobs.digests()), count(sessions, Document)) == ([], 0)


def test_an_upload_into_a_collection_that_is_being_deleted_is_refused_or_goes_with_it(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    for number in range(6):
        with sessions.begin() as session:
            collection_id = collections.get_or_create(session, user, f"Short-lived {number}")

        def remove(gone: int = collection_id) -> None:
            with sessions.begin() as session:
                collections.delete(session, user, gone)

        def add(gone: int = collection_id, data: bytes = b"%d" % number) -> None:
            staged = blobs.stage(io.BytesIO(data), LIMIT_BYTES)
            with contextlib.suppress(CollectionNotFound):
                register(sessions, blobs, user, gone, "a.txt", staged)

        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(remove), pool.submit(add)]:
                future.result()
    sweep(sessions, blobs, keep_versions=3)
    assert (count(sessions, Document), list(blobs.digests()), count(sessions, Collection)) == (0, [], 1)


def test_somebody_elses_document_cannot_be_deleted(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    document_id = upload(sessions, blobs, user, b"x").document_id
    assert document_id is not None
    with pytest.raises(DocumentNotFound):
        delete(sessions, blobs, second_user(sessions), document_id)


def test_deleting_and_uploading_the_same_bytes_at_once_keeps_row_and_bytes_together(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    for _ in range(6):
        document_id = upload(sessions, blobs, user, b"contested").document_id
        assert document_id is not None
        with ThreadPoolExecutor(2) as pool:
            deletion = pool.submit(delete, sessions, blobs, user, document_id)
            again = pool.submit(upload, sessions, blobs, user, b"contested").result()
            deletion.result()
        with sessions() as session:
            live = session.scalars(select(Document.id).where(Document.deleted_at.is_(None))).all()
        assert len(list(blobs.digests())) == len(live)
        assert (again.status == "queued") == (list(live) == [again.document_id])


def test_bytes_of_an_upload_that_has_not_committed_are_not_garbage(
    sessions: Sessions, blobs: BlobStore, user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has its name already, the row is not visible yet: a collector must wait for the commit."""
    sha256 = hashlib.sha256(b"contested").hexdigest()
    renamed, collected = threading.Event(), threading.Event()
    enqueue = uploads.jobs.enqueue

    def enqueue_late(session: Session, owner_id: int, document_id: int) -> Job:
        renamed.set()
        collected.wait(0.5)
        return enqueue(session, owner_id, document_id)

    monkeypatch.setattr(uploads.jobs, "enqueue", enqueue_late)
    with ThreadPoolExecutor(1) as pool:
        upload_future = pool.submit(upload, sessions, blobs, user, b"contested")
        assert renamed.wait(30)
        removal.collect_garbage(sessions, blobs, [sha256])
        collected.set()
        upload_future.result(30)
    assert list(blobs.digests()) == [sha256]


def test_a_collection_goes_with_its_documents(sessions: Sessions, blobs: BlobStore, user: Account) -> None:
    kept = upload(sessions, blobs, user, b"kept")
    for number in range(3):
        upload(sessions, blobs, user, b"%d" % number, collection="Other")
    complete(sessions)
    with sessions.begin() as session:
        collection_id = collections.get_or_create(session, user, "Other")
        collections.delete(session, user, collection_id)
        assert [c.name for c in collections.list_all(session, user)] == ["Default"]
        assert collections.get_or_create(session, user, "Other") != collection_id
    with sessions() as session:
        assert session.scalars(repository.live_statement(user.id)).one().id == kept.document_id
    assert sweep(sessions, blobs, keep_versions=3) == Swept(documents=3, collections=1)
    with sessions() as session:
        assert session.scalars(select(Document.id)).all() == [kept.document_id]
        assert session.scalars(select(Collection.name)).all() == ["Default", "Other"]
    assert len(list(blobs.digests())) == 1
    assert count(sessions, ChunkRow) == 2


def test_default_stays(sessions: Sessions, user: Account) -> None:
    with pytest.raises(Conflict), sessions.begin() as session:
        collections.delete(session, user, collections.get_or_create(session, user, "Default"))


def test_a_name_is_taken_once_per_owner(sessions: Sessions, user: Account) -> None:
    other = second_user(sessions)
    with sessions.begin() as session:
        collections.create(session, user, "Reports")
        collections.create(session, other, "Reports")
        with pytest.raises(Conflict):
            collections.create(session, user, "Reports")
        assert [c.name for c in collections.list_all(session, user)] == ["Default", "Reports"]
