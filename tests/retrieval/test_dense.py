"""The FAISS index against brute force, under every filter."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from retrieval.dense import FlatIndex
from retrieval.types import AccessFilter, IndexEntry, Vectors
from tests.retrieval.samples import (
    DIMENSION,
    everything,
    permitted,
    random_access,
    random_entries,
    unit_vectors,
)


def brute_force(entries: list[IndexEntry], vector: Vectors, k: int, access: AccessFilter) -> list[int]:
    visible = [entry for entry in entries if permitted(entry, access)]
    return [e.chunk_id for e in sorted(visible, key=lambda e: -float(e.vector @ vector))[:k]]


def filled(entries: list[IndexEntry]) -> FlatIndex:
    index = FlatIndex(DIMENSION)
    index.add(entries)
    return index


def found(index: FlatIndex, vector: Vectors, k: int, access: AccessFilter) -> list[int]:
    return [hit.chunk_id for hit in index.search(vector, k, access)]


def test_a_vector_of_another_width_is_refused_and_changes_nothing() -> None:
    entries = random_entries(20)
    index = filled(entries)
    wrong = IndexEntry(1, 1, 1, "", np.ones(DIMENSION + 1, dtype=np.float32))
    with pytest.raises(ValueError, match="17"):
        index.replace([entries[0].document_id], [entries[0], wrong])
    with pytest.raises(ValueError, match="17"):
        index.search(wrong.vector, 3, everything(entries))
    assert index.chunk_ids() == {entry.chunk_id for entry in entries}


@pytest.mark.parametrize("seed", range(30))
def test_search_equals_brute_force_under_random_filters(seed: int) -> None:
    rng = random.Random(seed)
    entries = random_entries(rng.randint(1, 300), seed)
    index = filled(entries)
    access = random_access(entries, rng)
    for vector in unit_vectors(4, seed + 1000):
        k = rng.choice([1, 5, 50, 1000])
        assert found(index, vector, k, access) == brute_force(entries, vector, k, access)


def test_a_filter_that_keeps_one_percent_still_fills_the_result() -> None:
    entries = random_entries(4000)
    documents = sorted({entry.document_id for entry in entries})
    access = AccessFilter(frozenset(range(5)), frozenset(documents[:: len(documents) // 12]))
    kept = [entry for entry in entries if permitted(entry, access)]
    assert 20 < len(kept) < 80
    index = filled(entries)
    for vector in unit_vectors(10, 5):
        hits = found(index, vector, 20, access)
        assert len(hits) == 20
        assert hits == brute_force(entries, vector, 20, access)


def test_scores_are_cosines() -> None:
    entries = random_entries(50)
    [hit] = filled(entries).search(entries[7].vector, 1, everything(entries))
    assert hit.chunk_id == entries[7].chunk_id
    assert hit.score == pytest.approx(1.0, abs=1e-6)


def test_deleting_and_adding_again_equals_brute_force() -> None:
    entries = random_entries(300)
    documents = sorted({entry.document_id for entry in entries})
    index = filled(entries)
    gone = set(documents[::3])
    index.delete_documents([*gone, 123456789])
    left = [entry for entry in entries if entry.document_id not in gone]
    assert index.chunk_ids() == {entry.chunk_id for entry in left}
    back = [entry for entry in entries if entry.document_id == documents[0]]
    index.add(back)
    for vector in unit_vectors(5, 9):
        expected = brute_force(left + back, vector, 10, everything(entries))
        assert found(index, vector, 10, everything(entries)) == expected


def test_an_empty_index_or_an_empty_filter_finds_nothing() -> None:
    entries = random_entries(10)
    vector = entries[0].vector
    assert FlatIndex(DIMENSION).search(vector, 5, everything(entries)) == []
    assert filled(entries).search(vector, 5, AccessFilter(frozenset())) == []
    assert filled(entries).search(vector, 5, AccessFilter(frozenset(range(5)), frozenset())) == []
    assert filled(entries).search(vector, 0, everything(entries)) == []


def test_a_question_that_is_not_a_number_finds_nothing() -> None:
    entries = random_entries(10)
    vector = np.full(DIMENSION, np.nan, dtype=np.float32)
    assert filled(entries).search(vector, 5, everything(entries)) == []


def test_equal_scores_are_ordered_by_chunk_id() -> None:
    vector = unit_vectors(1, 0)[0]
    index = filled([IndexEntry(n, n, 1, "", vector) for n in (5, 3, 9)])
    assert found(index, vector, 3, AccessFilter(frozenset({1}))) == [3, 5, 9]


def test_saved_and_loaded_search_the_same(tmp_path: Path) -> None:
    entries = random_entries(100)
    index = filled(entries)
    index.save(tmp_path)
    loaded = FlatIndex.load(tmp_path, DIMENSION)
    vector = unit_vectors(1, 3)[0]
    assert loaded.search(vector, 10, everything(entries)) == index.search(vector, 10, everything(entries))


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    filled(random_entries(10)).save(tmp_path)
    with pytest.raises(ValueError, match="do not match"):
        FlatIndex.load(tmp_path, DIMENSION + 1)
    np.save(tmp_path / "rows.npy", np.zeros((3, 3), dtype=np.int64))
    with pytest.raises(ValueError, match="do not match"):
        FlatIndex.load(tmp_path, DIMENSION)
