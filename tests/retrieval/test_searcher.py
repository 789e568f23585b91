"""A question through both indexes, fusion and reranking, on fakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.index_store import IndexStore
from retrieval.rerank import best_rerank, rerank
from retrieval.searcher import Searcher
from retrieval.types import AccessFilter, Chunk, Hit, IndexChange, IndexEntry, SearchConfig
from tests.fakes import DIMENSION, hash_encode, overlap_score

TEXTS = {
    1: "The canteen opens at eight and closes at three.",
    2: "Visitors park behind the north gate.",
    3: "The canteen menu changes every week.",
    4: "Invoices are paid within thirty days.",
    5: "The north gate opens at six.",
}
ALL = AccessFilter(frozenset({1}))
CONFIG = SearchConfig(evidence_threshold=0.6)


def chunk(chunk_id: int) -> Chunk:
    text = TEXTS[chunk_id]
    return Chunk(chunk_id, chunk_id * 10, 1, text, f"{chunk_id}.txt", 0, len(text), None, None, (), 1)


def load(chunk_ids: Sequence[int]) -> Mapping[int, Chunk]:
    return {chunk_id: chunk(chunk_id) for chunk_id in chunk_ids}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexStore]:
    with IndexStore.open(tmp_path, encoder_id="hash", dimension=DIMENSION) as store:
        for chunk_id, text in TEXTS.items():
            entry = IndexEntry(chunk_id, chunk_id * 10, 1, text, hash_encode([text])[0])
            store.apply([IndexChange(chunk_id, "add", chunk_id * 10, (entry,))])
        yield store


@pytest.fixture
def searcher(index: IndexStore) -> Searcher:
    return Searcher(index, hash_encode, overlap_score, load)


def test_a_question_that_may_see_nothing_finds_nothing(searcher: Searcher) -> None:
    result = searcher.search("When does the canteen open?", AccessFilter(frozenset()), CONFIG)
    assert (result.hits, result.best_score, result.enough_evidence) == ((), None, False)


def test_the_passage_that_answers_comes_first_with_every_score(searcher: Searcher) -> None:
    result = searcher.search("Where do visitors park?", ALL, CONFIG)
    best = result.hits[0]
    assert best.chunk == chunk(2)
    assert best.dense is not None
    assert best.bm25 is not None
    assert best.fused == pytest.approx(2 / 61)
    assert result.best_score == best.rerank == pytest.approx(1.0)
    assert result.enough_evidence
    assert set(result.timings_ms) == {"encode", "dense", "bm25", "fuse", "load", "rerank"}
    assert all(milliseconds >= 0 for milliseconds in result.timings_ms.values())


def test_the_gate_compares_the_best_rerank_score_with_the_threshold(searcher: Searcher) -> None:
    question = "Which visitors eat breakfast?"
    result = searcher.search(question, ALL, CONFIG)
    assert result.best_score == pytest.approx(1 / 3)
    assert not result.enough_evidence
    assert searcher.search(question, ALL, SearchConfig(evidence_threshold=0.33)).enough_evidence


def test_top_k_and_rerank_k_are_kept(index: IndexStore) -> None:
    read: list[int] = []

    def counting(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        read.append(len(pairs))
        return overlap_score(pairs)

    searcher = Searcher(index, hash_encode, counting, load)
    result = searcher.search("the north gate opens", ALL, SearchConfig(rerank_k=2, top_k=4))
    assert read == [2]
    assert len(result.hits) == 4
    assert [hit.rerank is None for hit in result.hits] == [False, False, True, True]
    assert len(searcher.search("the north gate opens", ALL, SearchConfig(top_k=1)).hits) == 1


def test_the_filter_holds_before_top_k(searcher: Searcher) -> None:
    access = AccessFilter(frozenset({1}), document_ids=frozenset({40}))
    narrow = SearchConfig(dense_k=1, bm25_k=1, rerank_k=1, top_k=1)
    [hit] = searcher.search("canteen gate opens at eight, invoices", access, narrow).hits
    assert hit.chunk.chunk_id == 4


def test_a_chunk_deleted_since_is_left_out(index: IndexStore) -> None:
    searcher = Searcher(index, hash_encode, overlap_score, lambda ids: load([i for i in ids if i != 2]))
    hits = searcher.search("Where do visitors park?", ALL, CONFIG).hits
    assert hits
    assert 2 not in {hit.chunk.chunk_id for hit in hits}


def test_a_question_without_words_is_searched_by_meaning_only(searcher: Searcher) -> None:
    hits = searcher.search("???", ALL, CONFIG).hits
    assert hits
    assert all(hit.bm25 is None for hit in hits)


def test_rerank_orders_by_score_and_keeps_the_order_of_equals() -> None:
    hits = [Hit(chunk(n), None, None, 1.0 / n, None) for n in (1, 2, 3, 5)]
    scores = {TEXTS[1]: 0.2, TEXTS[2]: 0.9, TEXTS[3]: 0.2, TEXTS[5]: 0.2}
    reranked = rerank(
        "q", hits, lambda pairs: np.array([scores[text] for _, text in pairs], dtype=np.float32)
    )
    assert [hit.chunk.chunk_id for hit in reranked] == [2, 1, 3, 5]
    assert [hit.rerank for hit in reranked] == pytest.approx([0.9, 0.2, 0.2, 0.2])


def test_rerank_of_nothing_scores_nothing() -> None:
    def never(_: Sequence[tuple[str, str]]) -> np.ndarray:
        raise AssertionError("no pairs to score")

    assert rerank("q", [], never) == []


def test_the_fused_score_weighs_in_where_the_cross_encoder_is_undecided() -> None:
    hits = [Hit(chunk(n), None, None, fused, None) for n, fused in ((1, 0.03), (2, 0.01), (3, 0.02))]
    scores = {TEXTS[1]: 0.5, TEXTS[2]: 0.6, TEXTS[3]: 0.999}

    def score(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        return np.array([scores[text] for _, text in pairs], dtype=np.float32)

    def order(weight: float, carried: int | None = None) -> list[int]:
        some = [replace(hit, carried=hit.chunk.chunk_id == carried) for hit in hits]
        return [hit.chunk.chunk_id for hit in rerank("q", some, score, weight)]

    assert order(0) == [3, 2, 1]
    assert order(100) == [3, 1, 2]  # 0.02 x 100 outweighs 0.4 of log-odds, and not 6.9
    assert order(100, carried=2) == [3, 2, 1]  # what the last answer cited stands as the best that was found
    assert best_rerank(rerank("q", hits, score, 100)) == pytest.approx(0.999)
    assert best_rerank(hits) is None
