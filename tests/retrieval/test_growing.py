"""Beyond the exact scan: trained lists against brute force while the index grows, shrinks, is searched."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from retrieval import growing
from retrieval.clustered import SearchEffort
from retrieval.growing import GrowingIndex, Growth
from retrieval.types import AccessFilter, IndexEntry, ScoredId, Vectors
from retrieval.vector_file import VectorFile
from tests.retrieval.samples import FIRST_ID, permitted

DIMENSION = 32
TOPICS = 40
EFFORT = SearchEffort(scanned=1200, short_list=200, exact=60)
GROWTH = Growth(clustered_from=800, effort=EFFORT)
THOROUGH = Growth(clustered_from=800, effort=replace(EFFORT, scanned=10**9, short_list=300))
ALL = AccessFilter(frozenset(range(5)))


def text_like(count: int, seed: int) -> Vectors:
    """Unit vectors around topics, as those of passages are; one set of topics for every seed."""
    topics = np.random.default_rng(99).standard_normal((TOPICS, DIMENSION))
    drawn = np.random.default_rng(seed)
    vectors = topics[drawn.integers(0, TOPICS, count)] + 0.6 * drawn.standard_normal((count, DIMENSION))
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def passages(count: int, seed: int = 0, first: int = 0) -> list[IndexEntry]:
    """Documents of seven chunks in five collections."""
    return [
        IndexEntry(FIRST_ID + row, FIRST_ID + row // 7, row // 7 % 5, "", vector)
        for row, vector in enumerate(text_like(count, seed), start=first)
    ]


def grown(entries: Sequence[IndexEntry], folder: Path, growth: Growth = GROWTH) -> GrowingIndex:
    index = GrowingIndex(DIMENSION, folder, growth)
    for start in range(0, len(entries), 700):
        index.add(entries[start : start + 700])
        index.rebuild()
    assert index.clustered
    return index


def best(entries: Sequence[IndexEntry], vector: Vectors, k: int, access: AccessFilter = ALL) -> list[int]:
    visible = [entry for entry in entries if permitted(entry, access)]
    scores = np.array([entry.vector for entry in visible]) @ vector
    return [visible[row].chunk_id for row in np.argsort(-scores, kind="stable")[:k]]


def ids(hits: Sequence[ScoredId]) -> list[int]:
    return [hit.chunk_id for hit in hits]


def recall(index: GrowingIndex, entries: Sequence[IndexEntry], access: AccessFilter = ALL) -> float:
    """Recall@10 over 40 questions that are none of the entries."""
    shares = [
        len(set(ids(index.search(vector, 10, access))) & set(best(entries, vector, 10, access))) / 10
        for vector in text_like(40, seed=1234)
    ]
    return float(np.mean(shares))


@pytest.fixture(scope="module")
def entries() -> list[IndexEntry]:
    return passages(4000)


@pytest.fixture(scope="module")
def index(entries: list[IndexEntry], tmp_path_factory: pytest.TempPathFactory) -> GrowingIndex:
    """Shared by the tests that do not change it."""
    return grown(entries, tmp_path_factory.mktemp("index"))


def test_recall_is_that_of_an_exact_scan(index: GrowingIndex, entries: list[IndexEntry]) -> None:
    assert recall(index, entries) >= 0.99


def test_scores_are_cosines_best_first(index: GrowingIndex, entries: list[IndexEntry]) -> None:
    hits = index.search(entries[2345].vector, 20, ALL)
    assert hits[0].chunk_id == entries[2345].chunk_id
    assert hits[0].score == pytest.approx(1.0, abs=1e-3)
    by_id = {entry.chunk_id: entry.vector for entry in entries}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.score == pytest.approx(float(by_id[hit.chunk_id] @ entries[2345].vector), abs=1e-3)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.9])
def test_a_filter_does_not_lower_recall(index: GrowingIndex, entries: list[IndexEntry], share: float) -> None:
    documents = sorted({entry.document_id for entry in entries})
    chosen = random.Random(0).sample(documents, round(len(documents) * share))
    assert recall(index, entries, AccessFilter(ALL.collection_ids, frozenset(chosen))) >= 0.99


def test_a_filter_far_from_the_question_does_not_lower_recall(
    index: GrowingIndex, entries: list[IndexEntry]
) -> None:
    """What may be seen is what is least like the question: the nearest lists hold none of it."""
    for vector in text_like(10, seed=77):
        by_score = sorted(entries, key=lambda entry: float(entry.vector @ vector))
        far = AccessFilter(ALL.collection_ids, frozenset(entry.document_id for entry in by_score[:300]))
        assert len(set(ids(index.search(vector, 10, far))) & set(best(entries, vector, 10, far))) >= 9


def test_hidden_documents_and_other_collections_are_never_found(
    index: GrowingIndex, entries: list[IndexEntry]
) -> None:
    for vector in text_like(10, seed=5):
        nearest = best(entries, vector, 5)
        hidden = frozenset(entry.document_id for entry in entries if entry.chunk_id in nearest)
        access = AccessFilter(frozenset({0, 1}), hidden_document_ids=hidden)
        by_id = {entry.chunk_id: entry for entry in entries}
        hits = ids(index.search(vector, 50, access))
        assert len(hits) == 50
        assert all(permitted(by_id[chunk_id], access) for chunk_id in hits)


def test_as_many_are_found_as_are_asked_for_and_permitted(
    index: GrowingIndex, entries: list[IndexEntry]
) -> None:
    vector = text_like(1, seed=8)[0]
    assert len(index.search(vector, 900, ALL)) == 900
    assert len(index.search(vector, 10**6, ALL)) == len(entries)
    one = AccessFilter(ALL.collection_ids, frozenset({entries[0].document_id}))
    assert sorted(ids(index.search(vector, 50, one))) == [entry.chunk_id for entry in entries[:7]]
    assert index.search(vector, 5, AccessFilter(frozenset())) == []
    assert index.search(vector, 0, ALL) == []
    assert index.search(np.full(DIMENSION, np.nan, dtype=np.float32), 5, ALL) == []
    with pytest.raises(ValueError, match="dimensions"):
        index.search(np.ones(5, dtype=np.float32), 5, ALL)


def test_with_every_list_scanned_only_ties_of_half_precision_differ(
    tmp_path: Path, entries: list[IndexEntry]
) -> None:
    index = grown(entries[:2000], tmp_path, THOROUGH)
    by_id = {entry.chunk_id: entry.vector for entry in entries}
    for vector in text_like(20, seed=6):
        expected = [float(by_id[chunk_id] @ vector) for chunk_id in best(entries[:2000], vector, 10)]
        found = [float(by_id[hit.chunk_id] @ vector) for hit in index.search(vector, 10, ALL)]
        assert found == pytest.approx(expected, abs=3e-4)


def test_deletions_and_additions_need_no_rebuild(tmp_path: Path, entries: list[IndexEntry]) -> None:
    index = grown(entries[:1500], tmp_path)
    gone = {entry.document_id for entry in entries[:1500:3]}
    left = [entry for entry in entries[:1500] if entry.document_id not in gone] + entries[1500:1900]
    index.replace(gone, entries[1500:1900])
    assert not index.outgrown
    assert index.chunk_ids() == {entry.chunk_id for entry in left}
    assert len(index) == len(left)
    assert recall(index, left) >= 0.99
    again = [replace(entry, vector=-entry.vector) for entry in entries[1500:1507]]
    index.replace([again[0].document_id], again)
    assert index.search(again[0].vector, 1, ALL)[0].chunk_id == again[0].chunk_id


def test_a_vector_of_another_width_changes_nothing(index: GrowingIndex, entries: list[IndexEntry]) -> None:
    wrong = IndexEntry(1, 1, 1, "", np.ones(5, dtype=np.float32))
    with pytest.raises(ValueError, match="dimensions"):
        index.replace([entries[0].document_id], [entries[0], wrong])
    assert len(index) == len(entries)


def test_new_topics_are_found_before_and_after_the_rebuild_that_they_cause(tmp_path: Path) -> None:
    old = passages(1000)
    new = [replace(entry, vector=-entry.vector) for entry in passages(1100, seed=3, first=7000)]
    index = grown(old, tmp_path)
    index.add(new)
    assert index.outgrown
    assert recall(index, old + new) >= 0.98
    assert index.rebuild()
    assert not index.outgrown
    assert not index.rebuild()
    assert recall(index, old + new) >= 0.99


def test_an_index_that_nobody_rebuilds_rebuilds_itself_before_it_is_large(tmp_path: Path) -> None:
    index = GrowingIndex(DIMENSION, tmp_path, GROWTH)
    entries = passages(3500)
    for start in range(0, len(entries), 100):
        index.add(entries[start : start + 100])
        assert index.clustered or len(index) < 2 * GROWTH.clustered_from
    assert index.clustered


def test_rows_of_the_deleted_are_given_back_and_a_small_rest_is_exact_again(tmp_path: Path) -> None:
    entries = passages(1000)
    documents = {entry.document_id for entry in entries}
    index = grown(entries, tmp_path)
    index.replace(documents, passages(1000, seed=1))
    assert index.outgrown, "as many dead rows as living ones"
    assert index.rebuild()
    assert index.clustered
    index.replace(documents, passages(140, seed=2))
    index.replace(documents, passages(1000, seed=3))
    index.replace(documents, rest := passages(140, seed=4))
    assert index.rebuild()
    assert not index.clustered
    assert recall(index, rest) == 1.0


def test_changes_during_a_rebuild_are_in_what_it_switches_to(
    tmp_path: Path, entries: list[IndexEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = GrowingIndex(DIMENSION, tmp_path, GROWTH)
    index.add(entries[:1000])
    training, go_on = threading.Event(), threading.Event()
    train = growing.train

    def slow_training(*arguments: object) -> object:
        training.set()
        assert go_on.wait(30)
        return train(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(growing, "train", slow_training)
    gone = {entry.document_id for entry in entries[:70]}
    with ThreadPoolExecutor(1) as pool:
        rebuilding = pool.submit(index.rebuild)
        assert training.wait(30)
        index.replace(gone, entries[1000:1200])
        left = [entry for entry in entries[:1200] if entry.document_id not in gone]
        assert not index.clustered
        assert ids(index.search(left[-1].vector, 5, ALL)) == best(left, left[-1].vector, 5)
        go_on.set()
        assert rebuilding.result()
    assert index.clustered
    assert index.chunk_ids() == {entry.chunk_id for entry in left}
    assert recall(index, left) >= 0.99


def test_a_rebuild_that_fails_leaves_the_index_as_it_was(
    tmp_path: Path, entries: list[IndexEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise RuntimeError("std::bad_alloc")

    index = GrowingIndex(DIMENSION, tmp_path, GROWTH)
    index.add(entries[:1000])
    with monkeypatch.context() as patch:
        patch.setattr(growing, "train", no_memory)
        with pytest.raises(RuntimeError, match="alloc"):
            index.rebuild()
    index.add(entries[1000:1100])
    assert recall(index, entries[:1100]) == 1.0
    assert index.rebuild()


def test_searches_go_on_while_it_grows_and_is_rebuilt(tmp_path: Path, entries: list[IndexEntry]) -> None:
    index = GrowingIndex(DIMENSION, tmp_path, GROWTH)
    index.add(entries[:7])
    known = {entry.chunk_id for entry in entries}
    finished = threading.Event()

    def write() -> None:
        try:
            for start in range(7, len(entries), 140):
                index.replace([entries[start - 7].document_id], entries[start : start + 140])
                index.rebuild()
        finally:
            finished.set()  # or the readers would never end

    def read() -> int:
        rounds = 0
        while not finished.is_set():
            for access in (ALL, AccessFilter(frozenset({1, 2}))):
                hits = index.search(entries[rounds % 3000].vector, 10, access)
                assert {hit.chunk_id for hit in hits} <= known
                assert len({hit.chunk_id for hit in hits}) == len(hits)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        pool.submit(write).result()
        assert all(reader.result() > 0 for reader in readers)
    assert index.clustered


def test_saved_and_loaded_search_the_same_and_go_on(tmp_path: Path, entries: list[IndexEntry]) -> None:
    (tmp_path / "saved").mkdir()
    index = grown(entries[:1500], tmp_path)
    index.delete_documents([entries[0].document_id])
    index.save(tmp_path / "saved")
    loaded = GrowingIndex(DIMENSION, tmp_path, GROWTH)
    loaded.load(tmp_path / "saved")
    assert loaded.clustered
    assert loaded.chunk_ids() == index.chunk_ids()
    some = AccessFilter(frozenset({1, 3}), hidden_document_ids=frozenset({entries[30].document_id}))
    for vector in text_like(10, seed=4):
        for access in (ALL, some):
            assert loaded.search(vector, 10, access) == index.search(vector, 10, access)
    loaded.replace([entries[7].document_id], entries[1500:1700])
    left = [e for e in entries[7:1700] if e.document_id != entries[7].document_id]
    assert recall(loaded, left) >= 0.99


def test_lists_that_an_older_release_trained_search_and_change(
    tmp_path: Path, entries: list[IndexEntry]
) -> None:
    """Without a rotation, two dimensions a code."""
    (tmp_path / "saved").mkdir()
    grown(entries[:1500], tmp_path).save(tmp_path / "saved")
    vectors = np.array([entry.vector for entry in entries[:1500]])
    older = faiss.index_factory(DIMENSION, f"IVF40,PQ{DIMENSION // 2}x4fsr", faiss.METRIC_INNER_PRODUCT)
    older.train(vectors)
    older.add(vectors)
    faiss.write_index(older, str(tmp_path / "saved" / "codes.faiss"))
    index = GrowingIndex(DIMENSION, tmp_path, GROWTH)
    index.load(tmp_path / "saved")
    assert recall(index, entries[:1500]) >= 0.99
    index.replace([entries[0].document_id], entries[1500:1600])
    assert recall(index, entries[7:1600]) >= 0.99


def test_a_search_keeps_to_its_thread_and_leaves_the_setting_as_it_was(
    index: GrowingIndex, entries: list[IndexEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = faiss.omp_get_max_threads()
    seen: list[int] = []
    nearest = VectorFile.nearest

    def watched(*arguments: Any) -> Any:
        seen.append(faiss.omp_get_max_threads())
        return nearest(*arguments)

    monkeypatch.setattr(VectorFile, "nearest", watched)
    faiss.omp_set_num_threads(3)
    try:
        assert index.search(entries[0].vector, 5, ALL)
        assert (seen, faiss.omp_get_max_threads()) == ([1], 3)
    finally:
        faiss.omp_set_num_threads(threads)


@pytest.mark.parametrize("name", ["codes.faiss", "vectors.f16", "runs.npy", "chunks.npy"])
def test_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, entries: list[IndexEntry], name: str
) -> None:
    for folder, count in (("one", 1400), ("other", 1470)):
        (tmp_path / folder).mkdir()
        grown(entries[:count], tmp_path).save(tmp_path / folder)
    (tmp_path / "other" / name).rename(tmp_path / "one" / name)
    with pytest.raises(ValueError, match="do not match"):
        GrowingIndex(DIMENSION, tmp_path, GROWTH).load(tmp_path / "one")
