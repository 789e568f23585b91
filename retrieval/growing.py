"""The dense index at any size: exact while small, trained lists when large, rebuilt beside itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import faiss
import numpy as np

from retrieval.clustered import CODES, ClusteredIndex, SearchEffort, train
from retrieval.cores import usable_cores
from retrieval.dense import FlatIndex
from retrieval.frozen import Frozen
from retrieval.read_write_lock import ReadWriteLock
from retrieval.types import AccessFilter, IndexEntry, ScoredId, Vectors
from retrieval.vector_file import VectorFile

_STEP = 64  # entries added while searches wait
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Growth:
    """When the index changes its shape."""

    clustered_from: int = 50_000  # vectors; an exact scan of fewer takes under 3 ms
    rebuild_at: float = 2.0  # times the vectors that the lists were made for: train again beside them
    wait_at_most: float = 4.0  # the same, when nothing rebuilt it in between: the next change waits for it
    effort: SearchEffort = field(default_factory=SearchEffort)


Changes = tuple[tuple[int, ...], tuple[IndexEntry, ...]]
"""Documents to delete, then entries to add."""


class GrowingIndex:
    """Every method may be called from any thread; searches go on while it changes and while it is rebuilt."""

    def __init__(self, dimension: int, folder: Path, growth: Growth | None = None) -> None:
        """Empty; `folder` is a private one for files that need no name."""
        self._dimension = dimension
        self._folder = folder
        self._growth = growth or Growth()
        self._index: FlatIndex | ClusteredIndex = FlatIndex(dimension)
        self._lock = ReadWriteLock()
        self._changing = threading.RLock()  # one change, save or switch at a time
        self._rebuilding = threading.Lock()
        self._missed: list[Changes] | None = None  # what a rebuild in progress has not seen

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote; OSError, RuntimeError or ValueError when the files are damaged."""
        if (folder / CODES).exists():
            vectors = VectorFile(self._folder, self._dimension)
            self._index = ClusteredIndex.load(folder, vectors, self._dimension, self._growth.effort)
        else:
            self._index = FlatIndex.load(folder, self._dimension)

    def __len__(self) -> int:
        """Chunks in the index."""
        return len(self._index)

    @property
    def clustered(self) -> bool:
        """Whether searches use trained lists; otherwise they are exact."""
        return isinstance(self._index, ClusteredIndex)

    @property
    def scanned_share(self) -> float:
        """How much of all vectors a search compares, by codes or exactly, as far as its effort allows."""
        return self._index.share if isinstance(self._index, ClusteredIndex) else 1.0

    @property
    def damaged(self) -> bool:
        """Whether it has lost vectors and must be filled again."""
        return isinstance(self._index, ClusteredIndex) and self._index.damaged

    @property
    def outgrown(self) -> bool:
        """Whether `rebuild` would do something."""
        return self._size_ratio() >= self._growth.rebuild_at

    def _size_ratio(self) -> float:
        """Present size against the one the index was made for; a flat one is made for half its greatest."""
        index = self._index
        if isinstance(index, ClusteredIndex):
            return index.rows / index.made_for
        return self._growth.rebuild_at * len(index) / self._growth.clustered_from

    def add(self, entries: Sequence[IndexEntry]) -> None:
        """Append entries; raises ValueError, changing nothing, when a vector has another width."""
        self.replace((), entries)

    def delete_documents(self, document_ids: Iterable[int]) -> None:
        """Remove every chunk of these documents; unknown ones are ignored."""
        self.replace(document_ids, ())

    def replace(self, document_ids: Iterable[int], entries: Sequence[IndexEntry]) -> None:
        """Delete documents, then append entries; raises ValueError, changing nothing, as `add` does."""
        changes = tuple(document_ids), tuple(entries)
        for entry in entries:
            if entry.vector.shape != (self._dimension,):
                raise ValueError(
                    f"a vector has shape {entry.vector.shape}, the index has {self._dimension} dimensions"
                )
        with self._changing:
            self._change(*changes)
            if self._missed is not None:
                self._missed.append(changes)
            overdue = self._missed is None and self._size_ratio() >= self._growth.wait_at_most
        if overdue:  # a first catch-up of millions: nobody had the time to rebuild beside it
            self.rebuild()

    def _change(self, document_ids: tuple[int, ...], entries: tuple[IndexEntry, ...]) -> None:
        """In steps short enough for searches to run between them."""
        for start in range(0, max(1, len(entries)), _STEP):
            with self._lock.write():
                self._index.replace(document_ids if start == 0 else (), entries[start : start + _STEP])

    def search(self, vector: Vectors, k: int, access: AccessFilter) -> list[ScoredId]:
        """The k nearest permitted chunks to `vector` [C] by cosine, best first.

        Raises ValueError when the vector has another width than the index, VectorsLost when it is damaged.
        """
        if vector.shape != (self._dimension,):
            raise ValueError(f"a vector has shape {vector.shape}, the index has {self._dimension} dimensions")
        with self._lock.read():
            return self._index.search(np.ascontiguousarray(vector, dtype=np.float32), k, access)

    def chunk_ids(self) -> frozenset[int]:
        """Every chunk in the index."""
        with self._changing:
            return self._index.chunk_ids()

    def save(self, folder: Path) -> None:
        """Write every file into an existing folder; searches go on."""
        with self._changing:
            self._index.save(folder)

    def rebuild(self) -> bool:
        """Train lists on the vectors that are there, then switch to them; False when not outgrown.

        Takes minutes for a million vectors. Searches and changes go on meanwhile, on one core fewer.
        """
        with self._rebuilding:
            if not self.outgrown:
                return False
            with self._changing:
                frozen, self._missed = self._freeze(), []
            try:
                built = _on_half_the_cores(lambda: self._build(frozen))
                self._switch(built)
            finally:
                self._missed = None
        return True

    def _freeze(self) -> Frozen:
        if isinstance(self._index, ClusteredIndex):
            return self._index.frozen()
        return self._index.frozen(VectorFile(self._folder, self._dimension))

    def _build(self, source: Frozen) -> FlatIndex | ClusteredIndex:
        """A new index of the shape that fits what is left."""
        if len(source.rows) >= self._growth.clustered_from / 2:
            return self._clustered(source)
        built = FlatIndex(self._dimension)  # most of it was deleted
        built.fill(source)
        return built

    def _clustered(self, source: Frozen) -> ClusteredIndex:
        codes = train(source, self._dimension)
        built = ClusteredIndex(codes, VectorFile(self._folder, self._dimension), self._growth.effort)
        built.fill(source)
        built.tune(source)
        return built

    def _switch(self, built: FlatIndex | ClusteredIndex) -> None:
        """Bring the new index up to date, then let it take over between two searches."""
        with self._changing:
            for changes in self._missed or ():
                built.replace(*changes)
            with self._lock.write():
                self._index = built


def _on_half_the_cores(build: Callable[[], T]) -> T:
    """Runs it in a thread of its own, whose OpenMP team leaves cores to the questions."""
    threads = max(1, usable_cores() // 2)
    with ThreadPoolExecutor(1, initializer=faiss.omp_set_num_threads, initargs=(threads,)) as pool:
        return pool.submit(build).result()
