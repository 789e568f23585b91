"""The index follows SQL on both databases, and a question sees only what it may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.accounts.types import Account
from app.collections.service import get_or_create
from app.db import Sessions
from app.documents import index_sync, removal
from app.documents.blobs import BlobStore
from app.documents.encoders import EncoderMismatch, require_encoder
from app.documents.index_sync import access_filter, catch_up, load_chunks
from app.errors import CollectionNotFound, DocumentNotFound
from app.jobs.queue import JobQueue, RetryPolicy
from app.tables import ChunkRow, Document, EncoderRow, VectorRow
from retrieval.index_store import IndexStore
from tests.app.factories import ingested, second_user, upload
from tests.fakes import DIMENSION, hash_encode


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexStore]:
    with IndexStore.open(tmp_path / "index", encoder_id="hash-64", dimension=DIMENSION) as store:
        yield store


@pytest.fixture
def queue(sessions: Sessions) -> JobQueue:
    return JobQueue(sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 0))


def ready(
    sessions: Sessions,
    blobs: BlobStore,
    user: Account,
    queue: JobQueue,
    *passages: str,
    collection: str = "Default",
) -> int:
    document_id = upload(sessions, blobs, user, repr(passages).encode(), collection=collection).document_id
    assert document_id is not None
    job = queue.take_next([document_id])
    assert job is not None
    queue.complete(job, ingested(passages), "hash-64")
    return document_id


def delete(sessions: Sessions, user: Account, document_id: int) -> None:
    with sessions.begin() as session:
        removal.delete_document(session, user, document_id)


def agree(sessions: Sessions, index: IndexStore) -> bool:
    with sessions() as session:
        live = select(ChunkRow.id).join(Document).where(Document.deleted_at.is_(None))
        ids = frozenset(session.scalars(live))
    return index.chunk_ids() == {"dense": ids, "bm25": ids}


def test_everything_committed_is_found(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore
) -> None:
    ready(sessions, blobs, user, queue, "the red fox", "the blue whale")
    with sessions() as session:
        assert catch_up(session, index) == 1
        access = access_filter(session, user, None, None, index)
        vector = hash_encode(["blue whale"])[0]
        best = index.dense(vector, 1, access)[0].chunk_id
        assert index.bm25("whale", 1, access)[0].chunk_id == best
        chunk = load_chunks(session, user)([best])[best]
    assert (chunk.text, chunk.file_name, chunk.page_first, chunk.headings) == (
        "the blue whale",
        "a.txt",
        1,
        ("Title",),
    )
    assert (chunk.start, chunk.end, chunk.document_version) == (13, 27, 1)


def test_catching_up_again_does_nothing(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore
) -> None:
    ready(sessions, blobs, user, queue, "one")
    with sessions() as session:
        assert [catch_up(session, index), catch_up(session, index)] == [1, 0]


def test_documents_of_many_chunks_are_read_in_smaller_batches(
    sessions: Sessions,
    blobs: BlobStore,
    user: Account,
    queue: JobQueue,
    index: IndexStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_sync, "CHUNKS_PER_BATCH", 5)
    for document in range(5):
        ready(
            sessions, blobs, user, queue, *[f"text {document} {n}" for n in range((3, 2, 9, 1, 1)[document])]
        )
    taken: list[int] = []
    apply = index.apply
    monkeypatch.setattr(
        index,
        "apply",
        lambda changes: (taken.append(sum(len(c.entries) for c in changes)), apply(changes)),
    )
    with sessions() as session:
        assert catch_up(session, index) == 5
    assert taken == [5, 9, 2]  # a document is never divided, so one alone may be larger
    assert agree(sessions, index)


def test_many_changes_are_applied_in_batches(
    sessions: Sessions,
    blobs: BlobStore,
    user: Account,
    queue: JobQueue,
    index: IndexStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_sync, "ADDED_PER_BATCH", 2)
    documents = [ready(sessions, blobs, user, queue, f"text {n}") for n in range(5)]
    delete(sessions, user, documents[0])
    delete(sessions, user, documents[3])
    with sessions() as session:
        assert catch_up(session, index) == 7
    assert agree(sessions, index)


def test_a_deletion_hides_before_the_index_knows_and_stays_after(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore
) -> None:
    document_id = ready(sessions, blobs, user, queue, "the red fox")
    with sessions() as session:
        catch_up(session, index)
    delete(sessions, user, document_id)
    with sessions() as session:
        access = access_filter(session, user, None, None, index)
        assert access.hidden_document_ids == {document_id}
        assert index.dense(hash_encode(["red fox"])[0], 5, access) == []
        assert index.bm25("fox", 5, access) == []
        assert load_chunks(session, user)(list(index.chunk_ids()["dense"])) == {}
        catch_up(session, index)
        assert access_filter(session, user, None, None, index).hidden_document_ids == frozenset()
    assert agree(sessions, index)


def test_an_index_of_another_database_starts_again(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore, tmp_path: Path
) -> None:
    from app.db import create_engine, make_sessions, migrate
    from app.documents.blobs import BlobStore as Store

    url = f"sqlite:///{tmp_path / 'other.db'}"
    migrate(url)
    engine = create_engine(url)
    others = make_sessions(engine)
    other_queue = JobQueue(others, "elsewhere|1|0.00|b", RetryPolicy(30, 3, 0))
    for number in range(3):
        ready(others, Store(tmp_path / "others"), user, other_queue, f"foreign {number}")
    with others() as session:
        catch_up(session, index)
    ready(sessions, blobs, user, queue, "ours")
    with sessions() as session:
        assert catch_up(session, index) == 1
    assert agree(sessions, index)
    engine.dispose()


def test_an_old_snapshot_of_the_database_does_not_reset_the_index(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore
) -> None:
    ready(sessions, blobs, user, queue, "first")
    with sessions() as old:
        old.connection(execution_options={"isolation_level": "REPEATABLE READ"}) if _is_postgres(
            old
        ) else None
        assert len(old.scalars(select(ChunkRow)).all()) == 1
        ready(sessions, blobs, user, queue, "second")
        with sessions() as new:
            assert catch_up(new, index) == 2
        assert catch_up(old, index) == 0
    assert agree(sessions, index)


def _is_postgres(session: object) -> bool:
    return session.get_bind().dialect.name == "postgresql"  # type: ignore[attr-defined, no-any-return]


def test_vectors_of_another_encoder_are_refused(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore
) -> None:
    ready(sessions, blobs, user, queue, "one")
    with sessions.begin() as session:
        require_encoder(session, "hash-64")
        session.execute(update(EncoderRow).values(id="old-encoder"))
        session.execute(update(VectorRow).values(encoder_id="old-encoder"))
    with sessions() as session, pytest.raises(EncoderMismatch) as caught:
        catch_up(session, index, encoder_id="hash-64")
    assert caught.value.details == {"stored": "old-encoder", "configured": "hash-64"}
    assert index.chunk_ids()["dense"] == frozenset()


def test_another_owner_sees_nothing(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore
) -> None:
    document_id = ready(sessions, blobs, user, queue, "the red fox")
    other = second_user(sessions)
    with sessions() as session:
        catch_up(session, index)
        access = access_filter(session, other, None, None, index)
        assert access.collection_ids == frozenset()
        assert index.bm25("fox", 5, access) == []
        assert load_chunks(session, other)(list(index.chunk_ids()["dense"])) == {}
        with pytest.raises(DocumentNotFound):
            access_filter(session, other, None, [document_id], index)
        with pytest.raises(CollectionNotFound):
            access_filter(session, other, [1], None, index)


def test_a_question_can_be_limited(
    sessions: Sessions, blobs: BlobStore, user: Account, queue: JobQueue, index: IndexStore
) -> None:
    first = ready(sessions, blobs, user, queue, "red fox")
    second = ready(sessions, blobs, user, queue, "brown fox", collection="Other")
    with sessions.begin() as session:
        other = get_or_create(session, user, "Other")
    with sessions() as session:
        catch_up(session, index)
        by_document = access_filter(session, user, None, [first], index)
        by_collection = access_filter(session, user, [other], None, index)
        load = load_chunks(session, user)
        for access, expected in ((by_document, first), (by_collection, second)):
            found = load([hit.chunk_id for hit in index.bm25("fox", 5, access)])
            assert [chunk.document_id for chunk in found.values()] == [expected]
