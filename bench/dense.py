"""The dense index beyond the exact scan: time, recall, memory, filters and changes at a million vectors."""

from __future__ import annotations

import gc
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import psutil
from numpy.typing import NDArray

from bench.measure import Figures, Run, percentile, seconds, summarise
from bench.report import OURS, Row, row_of
from bench.session import Session
from bench.vectors import DIMENSION, Clustered, Noise, SentenceLike, TextLike, VectorSource
from retrieval.growing import GrowingIndex
from retrieval.types import AccessFilter, IndexEntry, Vectors

COUNT, QUICK_COUNT = 1_000_000, 120_000
DOCUMENT_CHUNKS = 10
TOP = 10
ASKED_FOR = 50  # candidates, as the service asks for
ALL = AccessFilter(frozenset({1}))
SCALARS, PROBES, TRAINED_ON = "IVF2048,SQ8", 32, 100_000


def rows(session: Session) -> Iterator[Row]:
    """Text-shaped vectors, easy and hard, in full; vectors without structure only for their recall."""
    count = session.size(COUNT, QUICK_COUNT)
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
        for source, kind in ((SentenceLike(count), "like sentences"), (TextLike(count), "twice as hard")):
            yield from _in_full(session, Bench(source, count, Path(folder)), kind)
            gc.collect()
        yield from _beside_scalars(session, Bench(Clustered(count), count, Path(folder)))
        gc.collect()
        noise = Bench(Noise(count // 10), count // 10, Path(folder))
        yield _row(f"recall@10, {noise.count:,} vectors of noise", "", noise.recall(ALL))


def _in_full(session: Session, bench: Bench, kind: str) -> Iterator[Row]:
    what = f"lists, {bench.count:,} vectors {kind}"
    yield _row(f"{what}: building", "s", bench.build_s)
    yield _row(f"{what}: resident bytes a vector", "bytes", bench.bytes_a_vector)
    yield _row(f"{what}: share of them scanned", "", bench.index.scanned_share)
    yield _row(f"{what}: recall@10", "", bench.recall(ALL))
    results = session.compare({OURS: bench.asking(ALL), "faiss IndexFlatIP": bench.scanning}, budget_s=30.0)
    yield row_of(f"{what}, p50", "ms", results, 0)
    yield row_of(f"{what}, p95", "ms", results, 1)
    one_percent = AccessFilter(frozenset({1}), frozenset(range(0, bench.count // DOCUMENT_CHUNKS, 100)))
    yield _row(f"{what}, a filter of 1%: recall@10", "", bench.recall(one_percent))
    results = session.compare({OURS: bench.asking(one_percent)}, budget_s=10.0)
    yield row_of(f"{what}, a filter of 1%, p95", "ms", results, 1)
    yield _row(f"{what}: adding 1,000 chunks", "ms", 1000 * bench.adding_s())
    yield _row(f"{what}, p95 while adding", "ms", bench.p95_while_adding_ms())
    yield _row(f"{what}: deleting a document", "ms", 1000 * bench.deleting_s())


def _beside_scalars(session: Session, bench: Bench) -> Iterator[Row]:
    """Where few lists hold the nearest: beside FAISS's own lists of 8-bit scalars, 32 of 2,048 probed."""
    what = f"lists, {bench.count:,} clustered vectors"
    scalars = bench.lists_of_scalars()
    yield _row(f"{what}: share of them scanned", "", bench.index.scanned_share)
    yield _row(f"{what}: recall@10", "", bench.recall(ALL))
    yield _row(f"{what}: recall@10 of FAISS {SCALARS}, {PROBES} probes", "", bench.recall_of(scalars))
    subjects: dict[str, Run] = {
        OURS: bench.asking(ALL),
        f"faiss {SCALARS}": partial(bench.scanning, index=scalars),
        "faiss IndexFlatIP": bench.scanning,
    }
    results = session.compare(subjects, budget_s=30.0)
    yield row_of(f"{what}, p50", "ms", results, 0)
    yield row_of(f"{what}, p95", "ms", results, 1)


class Bench:
    """An index, and a flat one with the same vectors as the truth."""

    def __init__(self, source: VectorSource, count: int, folder: Path) -> None:
        self.count, self._source = count, source
        self.questions = source.draw(200, seed=0)
        self.flat = faiss.IndexFlatIP(DIMENSION)
        resident = resident_bytes()
        self.index = GrowingIndex(DIMENSION, folder)
        self.build_s = seconds(self._build)
        gc.collect()
        self.bytes_a_vector = (resident_bytes() - resident) / count
        for block in source.blocks(count):  # drawn a second time, so that the first measure was ours alone
            self.flat.add(block)

    def _build(self) -> None:
        start = 0
        for block in self._source.blocks(self.count):
            self.index.add(_entries(block, start))
            start += len(block)
        self.index.rebuild()

    def recall(self, access: AccessFilter) -> float:
        """Share of the ten nearest permitted vectors that are among the ten found."""
        parameters = faiss.SearchParameters()
        mask = np.packbits(self._permitted(access), bitorder="little")
        parameters.sel = selector = faiss.IDSelectorBitmap(mask)  # type: ignore[call-arg, arg-type]
        _, expected = self.flat.search(self.questions, TOP, params=parameters)
        del selector
        found = [self.index.search(vector, ASKED_FOR, access)[:TOP] for vector in self.questions]
        return recall([[hit.chunk_id for hit in some] for some in found], expected)

    def lists_of_scalars(self) -> faiss.Index:
        """The same vectors as 8-bit scalars in FAISS's own lists."""
        index = faiss.index_factory(DIMENSION, SCALARS, faiss.METRIC_INNER_PRODUCT)
        index.train(self._source.draw(min(self.count, TRAINED_ON), seed=10**8))
        for block in self._source.blocks(self.count):
            index.add(block)
        faiss.extract_index_ivf(index).nprobe = PROBES
        return index

    def recall_of(self, index: faiss.Index) -> float:
        """As `recall`, of another index of all vectors."""
        _, expected = self.flat.search(self.questions, TOP)
        _, found = index.search(self.questions, TOP)
        return recall(found.tolist(), expected)

    def _permitted(self, access: AccessFilter) -> NDArray[np.bool_]:
        documents = np.arange(self.count) // DOCUMENT_CHUNKS
        if access.document_ids is None:
            return np.ones(self.count, dtype=np.bool_)
        return np.isin(documents, np.fromiter(access.document_ids, dtype=np.int64))

    def asking(self, access: AccessFilter) -> Run:
        def run(number: int) -> Figures:
            asked = self._source.draw(200, seed=10**6 + number)
            return _percentiles(partial(self.index.search, k=ASKED_FOR, access=access), asked)

        return run

    def scanning(self, number: int, index: faiss.Index | None = None) -> Figures:
        searched = self.flat if index is None else index
        asked = self._source.draw(20, seed=10**6 + number)
        return _percentiles(lambda vector: searched.search(vector[None], ASKED_FOR), asked)

    def adding_s(self) -> float:
        new = _entries(self._source.draw(1000, seed=10**7), 2 * self.count)
        return seconds(lambda: self.index.add(new))

    def p95_while_adding_ms(self) -> float:
        """Batches of 1,000 chunks, one after another, beside the searches."""
        stop = threading.Event()

        def add() -> None:
            for number in range(1000):
                if stop.is_set():
                    return
                self.index.add(_entries(self._source.draw(1000, seed=number), (3 + number) * self.count))

        thread = threading.Thread(target=add)
        thread.start()
        try:
            return _percentiles(partial(self.index.search, k=ASKED_FOR, access=ALL), self.questions)[1]
        finally:
            stop.set()
            thread.join()

    def deleting_s(self) -> float:
        return seconds(lambda: self.index.delete_documents([7]))


def _entries(vectors: Vectors, first: int) -> list[IndexEntry]:
    return [
        IndexEntry(row, row // DOCUMENT_CHUNKS, 1, "", vector)
        for row, vector in enumerate(vectors, start=first)
    ]


def recall(found: Sequence[Sequence[int]], expected: NDArray[np.int64]) -> float:
    """Share of the expected ids [Q, K] that are among those found for the same question."""
    hits = [len(set(some) & set(row)) for some, row in zip(found, expected.tolist(), strict=True)]
    return sum(hits) / expected.size


def _percentiles(search: Callable[[Vectors], object], asked: Vectors) -> Figures:
    times_s = [seconds(partial(search, vector)) for vector in asked]
    return percentile(times_s, 50) * 1000, percentile(times_s, 95) * 1000


def resident_bytes() -> int:
    """Of this process; the page cache of files, mapped or not, is the kernel's."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


def _row(what: str, unit: str, value: float) -> Row:
    return Row(what, unit, summarise([value]))
