"""Both indexes as one view of `index_changes`: order, repetition, threads, and back from a snapshot."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.index_store import IndexStore
from retrieval.types import AccessFilter, IndexChange, IndexEntry
from tests.retrieval.samples import DIMENSION, additions, everything, random_entries

ENTRIES = random_entries(60)
ALL = everything(ENTRIES)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[IndexStore]:
    with opened(tmp_path) as built:
        yield built


def opened(folder: Path, encoder_id: str = "hash", dimension: int = DIMENSION) -> IndexStore:
    return IndexStore.open(folder, encoder_id=encoder_id, dimension=dimension)


def ids(entries: list[IndexEntry]) -> dict[str, frozenset[int]]:
    chunk_ids = frozenset(entry.chunk_id for entry in entries)
    return {"dense": chunk_ids, "bm25": chunk_ids}


def answers(store: IndexStore) -> tuple[object, object]:
    return store.dense(ENTRIES[3].vector, 10, ALL), store.bm25(ENTRIES[3].text, 10, ALL)


def test_a_new_folder_opens_empty_without_a_problem(store: IndexStore) -> None:
    assert (store.opened_from, store.problem, store.last_change_id) == ("empty", None, 0)
    assert store.chunk_ids() == ids([])
    assert answers(store) == ([], [])


def test_changes_out_of_order_are_refused(store: IndexStore) -> None:
    changes = additions(ENTRIES)
    with pytest.raises(ValueError, match="ascending"):
        store.apply([changes[1], changes[0]])
    assert store.chunk_ids() == ids([])


def test_a_bad_vector_refuses_the_whole_batch(store: IndexStore) -> None:
    bad = IndexEntry(1, 1, 1, "word1", np.ones(DIMENSION + 1, dtype=np.float32))
    with pytest.raises(ValueError, match="dimensions"):
        store.apply([*additions(ENTRIES), IndexChange(1000, "add", 1, (bad,))])
    assert (store.last_change_id, store.chunk_ids()) == (0, ids([]))


def test_applying_again_changes_nothing(store: IndexStore) -> None:
    changes = additions(ENTRIES)
    store.apply(changes[:5])
    store.apply(changes)
    before = answers(store)
    store.apply(changes)
    store.apply(changes[3:])
    assert store.chunk_ids() == ids(ENTRIES)
    assert store.last_change_id == len(changes)
    assert answers(store) == before


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_batches_of_any_size_reach_the_same_state(store: IndexStore, batch: int) -> None:
    rng = random.Random(0)
    documents = {change.document_id: change.entries for change in additions(ENTRIES)}
    alive: dict[int, tuple[IndexEntry, ...]] = {}
    changes = []
    for change_id in range(1, 61):
        document_id = rng.choice(list(documents))
        delete = document_id in alive and rng.random() < 0.6
        entries = () if delete else documents[document_id]
        alive[document_id] = entries
        changes.append(IndexChange(change_id * 7, "delete" if delete else "add", document_id, entries))
    for start in range(0, len(changes), batch):
        store.apply(changes[start : start + batch])
    assert store.chunk_ids() == ids([entry for entries in alive.values() for entry in entries])
    assert store.last_change_id == 420


def test_a_deleted_or_hidden_document_is_not_found(store: IndexStore) -> None:
    store.apply(additions(ENTRIES))
    target = ENTRIES[3]
    hidden = AccessFilter(ALL.collection_ids, hidden_document_ids=frozenset({target.document_id}))
    own = {entry.chunk_id for entry in ENTRIES if entry.document_id == target.document_id}

    def seen(access: AccessFilter) -> set[int]:
        hits = [*store.dense(target.vector, 100, access), *store.bm25(target.text, 100, access)]
        return {hit.chunk_id for hit in hits}

    assert own <= seen(ALL)
    assert not own & seen(hidden)
    store.apply([IndexChange(10_000, "delete", target.document_id)])
    assert not own & seen(ALL)


def test_a_snapshot_brings_back_the_same_answers(tmp_path: Path) -> None:
    changes = additions(ENTRIES)
    with opened(tmp_path) as store:
        store.apply(changes)
        store.apply([IndexChange(900, "delete", ENTRIES[30].document_id)])
        store.save()
        before, held = answers(store), store.chunk_ids()
    with opened(tmp_path) as store:
        assert (store.opened_from, store.problem, store.last_change_id) == ("snapshot", None, 900)
        assert (answers(store), store.chunk_ids()) == (before, held)
        store.apply([IndexChange(901, "add", ENTRIES[30].document_id, changes[0].entries)])
        store.save()
    assert len(list(tmp_path.glob("snapshot-*"))) == 1
    assert not list(tmp_path.glob("work-*"))


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.save()
    with opened(tmp_path) as store:
        assert (store.opened_from, store.last_change_id) == ("snapshot", 0)
        store.apply(additions(ENTRIES))
        assert store.chunk_ids() == ids(ENTRIES)


def test_a_failed_lexical_change_is_healed_by_applying_again(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("retrieval.lexical.TantivyIndex.replace", full_disk)
        with pytest.raises(OSError, match="space"):
            store.apply(additions(ENTRIES))
    assert store.last_change_id == 0
    store.apply(additions(ENTRIES))
    assert store.chunk_ids() == ids(ENTRIES)


def test_reset_forgets_memory_and_snapshots(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.apply(additions(ENTRIES))
        store.save()
        store.reset()
        assert (store.last_change_id, store.chunk_ids(), answers(store)) == (0, ids([]), ([], []))
        assert not list(tmp_path.glob("snapshot-*"))
        store.apply(additions(ENTRIES))
        store.save()
        assert store.chunk_ids() == ids(ENTRIES)
    with opened(tmp_path) as store:
        assert store.chunk_ids() == ids(ENTRIES)


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    store.close()
    assert not list(tmp_path.glob("work-*"))


def test_searches_go_on_while_documents_come_go_and_are_saved(store: IndexStore) -> None:
    changes = additions(ENTRIES)
    finished = threading.Event()

    def write() -> None:
        change_id = 0
        try:
            for _ in range(4):
                for change in changes[:12]:
                    change_id += 1
                    store.apply([IndexChange(change_id, "add", change.document_id, change.entries)])
                store.save()
                change_id += 1
                store.apply([IndexChange(change_id, "delete", changes[0].document_id)])
        finally:
            finished.set()  # or the readers would never end

    def read() -> int:
        rounds = 0
        while not finished.is_set():
            hits = [*store.dense(ENTRIES[3].vector, 10, ALL), *store.bm25(ENTRIES[3].text, 10, ALL)]
            assert {hit.chunk_id for hit in hits} <= {entry.chunk_id for entry in ENTRIES}
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        pool.submit(write).result()
        assert all(reader.result() > 0 for reader in readers)
    expected = [e for change in changes[1:12] for e in change.entries]
    assert store.chunk_ids() == ids(expected)
