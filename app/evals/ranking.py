"""How well passages are found: every stage of one search, measured on a judged collection."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.evals.cases import CorpusDocument
from app.evals.corpus_index import COLLECTION_ID, corpus_chunks, fill
from app.evals.metrics import Interval, mean_interval
from app.evals.records import CorpusRecord, QueryRecord
from app.evals.types import Progress
from retrieval.index_store import IndexStore
from retrieval.metrics import Judgements, ranking_metrics
from retrieval.searcher import Searcher
from retrieval.types import AccessFilter, Encode, Hit, ScorePairs, SearchConfig

_STAGES: Mapping[str, Callable[[Hit], float | None]] = {
    "dense": lambda hit: hit.dense,
    "bm25": lambda hit: hit.bm25,
    "fused": lambda hit: hit.fused,
}


def evaluate_retrieval(
    corpus: Sequence[CorpusRecord],
    queries: Sequence[QueryRecord],
    judgements: Judgements,
    encode: Encode,
    score_pairs: ScorePairs,
    config: SearchConfig,
    progress: Progress,
) -> dict[str, dict[str, Interval]]:
    """Stage to measure to mean over the judged queries, each document being one passage.

    Runs the product's own Searcher with `config`: no stage sees more than the `dense_k` or `bm25_k` documents
    of a ranker. `reranked` is the first `rerank_k` of `fused` in the cross-encoder's order, then the others.
    """
    chunks = corpus_chunks([CorpusDocument(key=each.id, title=each.title, text=each.text) for each in corpus])
    document_ids = {number: record.id for number, record in enumerate(corpus, start=1)}
    dimension = encode(["a"]).shape[1]
    rankings: dict[str, dict[str, list[str]]] = {stage: {} for stage in (*_STAGES, "reranked")}
    with (
        tempfile.TemporaryDirectory() as folder,
        IndexStore.open(Path(folder), encoder_id="eval", dimension=dimension) as index,
    ):
        fill(index, chunks, encode, progress)
        searcher = Searcher(
            index, encode, score_pairs, lambda ids: {number: chunks[number] for number in ids}
        )
        all_of_them = replace(config, top_k=config.dense_k + config.bm25_k)
        for done, query in enumerate(queries, start=1):
            hits = searcher.search(query.text, AccessFilter(frozenset({COLLECTION_ID})), all_of_them).hits
            for stage, ranking in _rankings(hits).items():
                rankings[stage][query.id] = [document_ids[chunk_id] for chunk_id in ranking]
            progress("queries", done, len(queries))
    judged = {query.id: judgements[query.id] for query in queries if query.id in judgements}
    return {stage: _means(judged, by_query) for stage, by_query in rankings.items()}


def _rankings(hits: Sequence[Hit]) -> dict[str, list[int]]:
    """Each stage's order, read back from the scores that every hit carries."""
    by_stage = {stage: _ordered(hits, score) for stage, score in _STAGES.items()}
    return by_stage | {"reranked": [hit.chunk.chunk_id for hit in hits]}


def _ordered(hits: Sequence[Hit], score: Callable[[Hit], float | None]) -> list[int]:
    scored = [(-value, hit.chunk.chunk_id) for hit in hits if (value := score(hit)) is not None]
    return [chunk_id for _, chunk_id in sorted(scored)]


def _means(judgements: Judgements, rankings: Mapping[str, Sequence[str]]) -> dict[str, Interval]:
    values = ranking_metrics(judgements, rankings)
    return {measure: mean_interval(list(by_query.values())) for measure, by_query in values.items()}
