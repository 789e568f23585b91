"""The Tantivy index against a plain BM25 written here, under every filter."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import pytest

from retrieval.analysis import analyze
from retrieval.lexical import TantivyIndex
from retrieval.types import AccessFilter, IndexEntry
from tests.retrieval.samples import (
    FIRST_ID,
    WORDS,
    everything,
    permitted,
    random_access,
    random_entries,
    unit_vectors,
)


def stored_length(terms: int) -> int:
    """Lucene and Tantivy keep a passage's length in one byte: exact to 40, then its four leading bits."""
    if terms < 24:
        return terms
    shift = max((terms - 24).bit_length() - 4, 0)
    return 24 + ((terms - 24) >> shift << shift)


def plain_bm25(entries: list[IndexEntry], question: str, access: AccessFilter) -> dict[int, float]:
    """Robertson's BM25 in Lucene's form: statistics over all entries, scores of those permitted."""
    bags = {entry.chunk_id: Counter(analyze(entry.text)) for entry in entries}
    mean = sum(bag.total() for bag in bags.values()) / len(bags)
    frequency = Counter(term for bag in bags.values() for term in bag)
    scores: dict[int, float] = {}
    for entry in entries:
        bag = bags[entry.chunk_id]
        norm = 1.2 * (1 - 0.75 + 0.75 * stored_length(bag.total()) / mean)
        score = sum(
            times
            * math.log(1 + (len(bags) - frequency[term] + 0.5) / (frequency[term] + 0.5))
            * (2.2 * bag[term] / (bag[term] + norm))
            for term, times in Counter(analyze(question)).items()
        )
        if score and permitted(entry, access):
            scores[entry.chunk_id] = score
    return scores


def filled(folder: Path, entries: list[IndexEntry]) -> TantivyIndex:
    index = TantivyIndex(folder)
    index.add(entries)
    return index


def passages(*texts: str) -> list[IndexEntry]:
    vector = unit_vectors(1, 0)[0]
    return [IndexEntry(FIRST_ID + n, n, 1, text, vector) for n, text in enumerate(texts)]


def found(index: TantivyIndex, question: str, access: AccessFilter | None = None) -> set[int]:
    hits = index.search(question, 10, access or AccessFilter(frozenset({1})))
    return {hit.chunk_id - FIRST_ID for hit in hits}


@pytest.mark.parametrize("max_words", [12, 150])
def test_scores_equal_plain_bm25_under_random_filters(tmp_path: Path, max_words: int) -> None:
    rng = random.Random(max_words)
    entries = random_entries(300, max_words, max_words=max_words)
    index = filled(tmp_path, entries)
    for _ in range(40):
        access = random_access(entries, rng)
        question = " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))
        hits = index.search(question, 1000, access)
        expected = plain_bm25(entries, question, access)
        assert {hit.chunk_id: hit.score for hit in hits} == pytest.approx(expected, rel=1e-4)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        best = sorted(expected.values(), reverse=True)[:5]
        assert [hit.score for hit in index.search(question, 5, access)] == pytest.approx(best, rel=1e-4)


def test_a_filter_that_keeps_one_percent_still_fills_the_result(tmp_path: Path) -> None:
    entries = random_entries(4000)
    documents = sorted({entry.document_id for entry in entries})
    access = AccessFilter(frozenset(range(5)), frozenset(documents[:: len(documents) // 12]))
    question = " ".join(WORDS[:30])
    expected = plain_bm25(entries, question, access)
    assert 20 < len(expected) < 80
    hits = filled(tmp_path, entries).search(question, 20, access)
    assert [h.score for h in hits] == pytest.approx(sorted(expected.values(), reverse=True)[:20], rel=1e-4)


@pytest.mark.parametrize("question", ["", "  ?!", "…", "unheardof"])
def test_a_question_without_known_words_finds_nothing(tmp_path: Path, question: str) -> None:
    assert found(filled(tmp_path, passages("a b c")), question) == set()


def test_an_empty_index_or_an_empty_filter_finds_nothing(tmp_path: Path) -> None:
    index = TantivyIndex(tmp_path)
    assert found(index, "word") == set()
    assert index.chunk_ids() == frozenset()
    index.add(passages("word"))
    assert found(index, "word", AccessFilter(frozenset())) == set()
    assert found(index, "word", AccessFilter(frozenset({1}), frozenset())) == set()
    assert index.search("word", 0, AccessFilter(frozenset({1}))) == []


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Das Café in Zürich", "cafe zurich"),
        ("Das Cafe in Zurich", "Café Zürich"),
        ("東京都庁は新宿にある", "新宿はどこですか"),
        ("北京是中国的首都", "中国"),
        ("서울은 대한민국의 수도이다", "대한민국"),
        ("猫が好き", "猫"),
        ("กรุงเทพมหานคร", "กรุงเทพ"),
    ],
)
def test_other_languages_are_searchable(tmp_path: Path, text: str, question: str) -> None:
    index = filled(tmp_path, passages(text, "an unrelated English sentence", "另外一句话"))
    assert index.search(question, 1, AccessFilter(frozenset({1})))[0].chunk_id == FIRST_ID


def test_query_syntax_is_only_text(tmp_path: Path) -> None:
    index = filled(tmp_path, passages("alpha beta", "gamma"))
    assert found(index, 'chunk_id:5 AND (alpha OR "gamma') == {0, 1}


def test_a_passage_without_words_is_held_but_never_found(tmp_path: Path) -> None:
    index = filled(tmp_path, passages("***", "word"))
    assert index.chunk_ids() == {FIRST_ID, FIRST_ID + 1}
    assert found(index, "word ***") == {1}


def test_deleted_documents_disappear_and_may_come_back(tmp_path: Path) -> None:
    entries = passages("alpha", "alpha", "alpha")
    index = filled(tmp_path, entries)
    index.delete_documents([1, 2, 777])
    assert found(index, "alpha") == {0}
    index.replace([0, 1], entries[:2])
    assert found(index, "alpha") == {0, 1}
    assert index.chunk_ids() == {FIRST_ID, FIRST_ID + 1}


def test_a_failed_change_leaves_no_trace(tmp_path: Path) -> None:
    index = filled(tmp_path, passages("alpha"))
    broken = IndexEntry(1 << 70, 5, 1, "beta", unit_vectors(1, 0)[0])  # not an int64
    with pytest.raises((OverflowError, ValueError)):
        index.replace([0], [*passages("beta"), broken])
    index.add([])
    assert found(index, "alpha") == {0}
    assert found(index, "beta") == set()


def test_a_saved_copy_opens_elsewhere_and_the_original_goes_on(tmp_path: Path) -> None:
    entries = random_entries(200)
    for name in ("work", "copy"):
        (tmp_path / name).mkdir()
    index = filled(tmp_path / "work", entries)
    index.save(tmp_path / "copy")
    index.add(passages("later"))
    copy = TantivyIndex(tmp_path / "copy")
    assert copy.chunk_ids() == {entry.chunk_id for entry in entries}
    assert copy.search("word1", 5, everything(entries)) == filled_again(tmp_path, entries)
    assert found(index, "later") == {0}


def filled_again(tmp_path: Path, entries: list[IndexEntry]) -> list[object]:
    (tmp_path / "again").mkdir()
    return list(filled(tmp_path / "again", entries).search("word1", 5, everything(entries)))
