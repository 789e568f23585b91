"""Question in, ranked passages out: the reading side of retrieval, top to bottom."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from retrieval.fusion import reciprocal_rank_fusion
from retrieval.rerank import best_rerank, rerank
from retrieval.types import (
    AccessFilter,
    Chunk,
    Encode,
    Hit,
    LoadChunks,
    Ranks,
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

    def search(
        self, question: str, access: AccessFilter, config: SearchConfig, carried: Sequence[int] = ()
    ) -> SearchResult:
        """Passages that this question may see, best first.

        1. Encode the question. 2. Ask both indexes, each filtered before its top-k. 3. Fuse the rankings.
        4. Load the best chunks from SQL, and the `carried` ones, which the last answer cited.
        5. Rerank them all. 6. Compare the best score with the threshold.
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
            candidates = self._hits(fused, dense, bm25, carried, access)
        with _timed(timings_ms, "rerank"):
            most = config.rerank_k + len(carried)
            read, unread = candidates[:most], candidates[most:]
            hits = rerank(question, read, self._score_pairs, config.fused_weight) + unread
        best_score = best_rerank(hits[: config.top_k])
        return SearchResult(
            hits=tuple(hits[: config.top_k]),
            best_score=best_score,
            enough_evidence=best_score is not None and best_score >= config.evidence_threshold,
            threshold=config.evidence_threshold,
            min_sureness=config.min_sureness,
            timings_ms=timings_ms,
        )

    def _hits(
        self,
        fused: Sequence[ScoredId],
        dense: Sequence[ScoredId],
        bm25: Sequence[ScoredId],
        carried: Sequence[int],
        access: AccessFilter,
    ) -> list[Hit]:
        """Carried and fused ids with their chunks; one that was deleted a moment ago is left out."""
        by_fused, by_dense, by_bm25 = _scores(fused), _scores(dense), _scores(bm25)
        ranks = [_ranks(ranking) for ranking in (dense, bm25, fused)]
        ids = list(dict.fromkeys((*carried, *by_fused)))
        chunks = self._load_chunks(ids)
        return [
            Hit(
                chunk=chunks[chunk_id],
                dense=by_dense.get(chunk_id),
                bm25=by_bm25.get(chunk_id),
                fused=by_fused.get(chunk_id, 0.0),
                rerank=None,
                ranks=Ranks(*(rank.get(chunk_id) for rank in ranks)),
                carried=chunk_id in carried,
            )
            for chunk_id in ids
            if chunk_id in chunks and _visible(chunks[chunk_id], access)
        ]


def _visible(chunk: Chunk, access: AccessFilter) -> bool:
    """Whether the filter lets a chunk through: the indexes apply it, but not to what is carried."""
    return (
        chunk.collection_id in access.collection_ids
        and (access.document_ids is None or chunk.document_id in access.document_ids)
        and chunk.document_id not in access.hidden_document_ids
    )


def _scores(ranking: Sequence[ScoredId]) -> dict[int, float]:
    return {hit.chunk_id: hit.score for hit in ranking}


def _ranks(ranking: Sequence[ScoredId]) -> dict[int, int]:
    return {hit.chunk_id: rank for rank, hit in enumerate(ranking, start=1)}


@contextmanager
def _timed(timings_ms: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings_ms[stage] = (time.perf_counter() - started) * 1000
