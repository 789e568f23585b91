"""Question in, ranked passages out: the reading side of retrieval, top to bottom."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from retrieval.fusion import reciprocal_rank_fusion
from retrieval.rerank import rerank
from retrieval.types import (
    AccessFilter,
    Encode,
    Hit,
    LoadChunks,
    ScoredId,
    ScorePairs,
    SearchConfig,
    SearchResult,
    Vectors,
)


class SearchableIndex(Protocol):
    """Both rankers over the same chunks; `IndexStore` is one."""

    def dense(self, vector: Vectors, k: int, access: AccessFilter) -> list[ScoredId]: ...

    def bm25(self, question: str, k: int, access: AccessFilter) -> list[ScoredId]: ...


class Searcher:
    """Built for one question with that session's `load_chunks`; holds nothing else."""

    def __init__(
        self, index: SearchableIndex, encode: Encode, score_pairs: ScorePairs, load_chunks: LoadChunks
    ) -> None:
        self._index = index
        self._encode = encode
        self._score_pairs = score_pairs
        self._load_chunks = load_chunks

    def search(self, question: str, access: AccessFilter, config: SearchConfig) -> SearchResult:
        """Passages that this question may see, best first.

        1. Encode the question. 2. Ask both indexes, each filtered before its top-k. 3. Fuse the rankings.
        4. Load the best chunks from SQL. 5. Rerank them. 6. Compare the best score with the threshold.
        """
        timings_ms: dict[str, float] = {}
        with _timed(timings_ms, "encode"):
            vector = self._encode([question])[0]
        with _timed(timings_ms, "dense"):
            dense = self._index.dense(vector, config.dense_k, access)
        with _timed(timings_ms, "bm25"):
            bm25 = self._index.bm25(question, config.bm25_k, access)
        with _timed(timings_ms, "fuse"):
            fused = reciprocal_rank_fusion([dense, bm25], config.rrf_k)[: max(config.rerank_k, config.top_k)]
        with _timed(timings_ms, "load"):
            candidates = self._hits(fused, dense, bm25)
        with _timed(timings_ms, "rerank"):
            read, unread = candidates[: config.rerank_k], candidates[config.rerank_k :]
            hits = rerank(question, read, self._score_pairs) + unread
        best_score = hits[0].rerank if hits else None
        return SearchResult(
            hits=tuple(hits[: config.top_k]),
            best_score=best_score,
            enough_evidence=best_score is not None and best_score >= config.evidence_threshold,
            threshold=config.evidence_threshold,
            timings_ms=timings_ms,
        )

    def _hits(
        self, fused: Sequence[ScoredId], dense: Sequence[ScoredId], bm25: Sequence[ScoredId]
    ) -> list[Hit]:
        """Fused ids with their chunks; an id whose chunk was deleted a moment ago is left out."""
        chunks = self._load_chunks([scored.chunk_id for scored in fused])
        by_dense, by_bm25 = _scores(dense), _scores(bm25)
        return [
            Hit(
                chunk=chunks[scored.chunk_id],
                dense=by_dense.get(scored.chunk_id),
                bm25=by_bm25.get(scored.chunk_id),
                fused=scored.score,
                rerank=None,
            )
            for scored in fused
            if scored.chunk_id in chunks
        ]


def _scores(ranking: Sequence[ScoredId]) -> dict[int, float]:
    return {hit.chunk_id: hit.score for hit in ranking}


@contextmanager
def _timed(timings_ms: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings_ms[stage] = (time.perf_counter() - started) * 1000
