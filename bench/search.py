"""`footnote bench search`: a query over the index store against bare FAISS; then dense at a million."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from bench import dense
from bench.measure import Figures, Run, percentile, seconds, summarise
from bench.report import OURS, Row, row_of
from bench.session import Session
from bench.texts import sentences
from bench.vectors import DIMENSION, SentenceLike, VectorSource
from retrieval.growing import Growth
from retrieval.index_store import IndexStore
from retrieval.types import AccessFilter, IndexChange, IndexEntry, Vectors

SIZES, QUICK_SIZES = (10_000, 100_000), (10_000,)  # vectors
DOCUMENT_CHUNKS = 100
PASSAGE_WORDS = 120
QUERY_WORDS = 6
K = 50  # candidates, as the service asks for
TOP, RECALL_QUESTIONS = 10, 200
QUESTIONS_SEED = 10**6  # those of blocks are below
ACCESS = AccessFilter(collection_ids=frozenset({1}))


def rows(session: Session) -> Iterator[Row]:
    """p50 and p95 of the dense and of the lexical index at each size."""
    for count in QUICK_SIZES if session.quick else SIZES:
        with (
            tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder,
            IndexStore.open(Path(folder), encoder_id="random", dimension=DIMENSION) as store,
        ):
            source = SentenceLike(count)
            vectors = np.concatenate([*source.blocks(count)])
            fill(store, vectors)
            yield from _dense(session, store, source, vectors)
            yield from _bm25(session, store, count)
    yield from dense.rows(session)


def fill(store: IndexStore, vectors: Vectors) -> None:
    """One document for every DOCUMENT_CHUNKS vectors, with passages of the samples' words."""
    drawn = random.Random(0)
    vocabulary = sorted({word for sentence in sentences() for word in sentence.split()})
    changes = []
    for document, start in enumerate(range(0, len(vectors), DOCUMENT_CHUNKS), start=1):
        entries = tuple(
            IndexEntry(start + row, document, 1, " ".join(drawn.choices(vocabulary, k=PASSAGE_WORDS)), vector)
            for row, vector in enumerate(vectors[start : start + DOCUMENT_CHUNKS])
        )
        changes.append(IndexChange(document, "add", document, entries))
    store.apply(changes)


def _dense(session: Session, store: IndexStore, source: VectorSource, vectors: Vectors) -> Iterator[Row]:
    """Beside an exact scan; beyond the size up to which ours is one, its recall and no share of bandwidth."""
    bare = faiss.IndexFlatIP(DIMENSION)
    bare.add(vectors)
    queries = session.size(50, 20)

    def run_of(search: Callable[[Vectors], object]) -> Run:
        def run(number: int) -> Figures:
            asked = source.draw(queries, seed=QUESTIONS_SEED + number)
            return _percentiles([seconds(partial(search, vector)) for vector in asked])

        return run

    subjects = {
        OURS: run_of(lambda vector: store.dense(vector, K, ACCESS)),
        "faiss IndexFlatIP": run_of(lambda vector: bare.search(vector[None], K)),
    }
    results = session.compare(subjects, budget_s=20.0)
    what = f"dense, {len(vectors):,} vectors of {DIMENSION}"
    share = None
    if len(vectors) <= Growth().clustered_from:
        p50_ms = row_of("", "ms", results).ours.median
        share = vectors.nbytes / (p50_ms / 1000) / session.limits.read_bytes_s
    asked = source.draw(RECALL_QUESTIONS, seed=0)
    found = [[hit.chunk_id for hit in store.dense(vector, K, ACCESS)[:TOP]] for vector in asked]
    yield Row(f"{what}: recall@{TOP}", "", summarise([dense.recall(found, bare.search(asked, TOP)[1])]))
    yield row_of(f"{what}, p50", "ms", results, 0, of_limit=share, limit="the memory bandwidth")
    yield row_of(f"{what}, p95", "ms", results, 1)


def _bm25(session: Session, store: IndexStore, count: int) -> Iterator[Row]:
    queries = session.size(50, 20)

    def run(number: int) -> Figures:
        drawn = random.Random(number)
        words = [word for sentence in drawn.choices(sentences(), k=queries) for word in sentence.split()]
        asked = [" ".join(drawn.choices(words, k=QUERY_WORDS)) for _ in range(queries)]
        return _percentiles([seconds(partial(store.bm25, question, K, ACCESS)) for question in asked])

    results = session.compare({OURS: run}, budget_s=10.0)
    yield row_of(f"BM25, {count:,} passages, p50", "ms", results, 0)
    yield row_of(f"BM25, {count:,} passages, p95", "ms", results, 1)


def _percentiles(times_s: list[float]) -> Figures:
    return percentile(times_s, 50) * 1000, percentile(times_s, 95) * 1000
