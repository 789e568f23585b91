"""The dense index where a flat one does not fit into memory: `python -m tests.bench.beyond_memory`.

What is true is found by reading all vectors once, a block at a time. Ten million take 16 GB of disk, 2 GB of
memory beside the page cache, and about an hour and a half of two cores.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from bench.dense import ALL, ASKED_FOR, TOP, resident_bytes
from bench.measure import percentile, seconds
from bench.vectors import DIMENSION, SentenceLike
from retrieval.clustered import ClusteredIndex, SearchEffort, train
from retrieval.frozen import Frozen
from retrieval.tuning import lowest_scores
from retrieval.types import Vectors
from retrieval.vector_file import VectorFile

QUESTIONS = 200
DOCUMENT_CHUNKS = 10
SAME = 1e-5  # of scores: which of two equally near ones is found does not matter


def main() -> None:
    """One line a step, as each is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where there is room on disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="footnote-bench-", dir=options.folder) as folder:
        source = SentenceLike(options.count)
        with told("drawn"):
            frozen = drawn(source, options.count, Path(folder))
        questions = source.draw(QUESTIONS, seed=0)
        del source
        index = built(frozen, Path(folder))
        report(index, questions, lowest_scores(frozen, questions))


def drawn(source: SentenceLike, count: int, folder: Path) -> Frozen:
    """The vectors in a file, as an index would hand them over to be built anew."""
    vectors = VectorFile(folder, DIMENSION)
    for block in source.blocks(count):
        vectors.append(block)
    documents = np.arange(count // DOCUMENT_CHUNKS)
    ones = np.ones(len(documents), dtype=np.int64)
    runs = np.column_stack([documents, ones, DOCUMENT_CHUNKS * ones, ones])
    rows = np.arange(count)
    return Frozen(vectors, rows, rows, runs)


def built(source: Frozen, folder: Path) -> ClusteredIndex:
    """As `GrowingIndex` builds it, step by step."""
    resident = resident_bytes()
    with told("trained"):
        index = ClusteredIndex(train(source, DIMENSION), VectorFile(folder, DIMENSION), SearchEffort())
    with told("filled"):
        index.fill(source)
    with told("tuned"):
        index.tune(source)
    gc.collect()
    bytes_a_vector = (resident_bytes() - resident) / len(source.rows)
    print(f"share to scan {index.share:.3f}, {bytes_a_vector:.0f} resident bytes a vector", flush=True)
    return index


def report(index: ClusteredIndex, questions: Vectors, lowest: Vectors) -> None:
    """Recall against the lowest true score of each question, and the time of a search, twice."""
    found = [
        sum(hit.score >= least - SAME for hit in index.search(asked, TOP, ALL))
        for asked, least in zip(questions, lowest, strict=True)
    ]
    print(f"recall@{TOP} {sum(found) / (TOP * len(questions)):.4f}", flush=True)
    for _ in range(2):
        times_s = [seconds(partial(index.search, asked, ASKED_FOR, ALL)) for asked in questions]
        print(f"p50 {1000 * percentile(times_s, 50):.2f} ms, p95 {1000 * percentile(times_s, 95):.2f} ms")


@contextmanager
def told(what: str) -> Iterator[None]:
    """Says how long it took."""
    start = time.perf_counter()
    yield
    print(f"{what} in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
