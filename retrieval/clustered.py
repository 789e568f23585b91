"""Nearest neighbours among millions: lists by nearest centre, short codes scanned, the best scored again.

Three steps a search. The lists whose centres are nearest to the question are taken until they hold enough
permitted vectors; how many are enough is measured when the index is built. Their 4-bit product-quantised
codes (FAISS fast scan: 20 times as fast as 8-bit scalars) give a short list. The vectors of the short list
are read from the vector file and scored exactly. Jégou, Douze and Schmid, PAMI 2011; André, Kermarrec and Le
Scouarnec, VLDB 2015. Vectors are turned first, so that every code has an equal share of their spread: Ge, He,
Ke and Sun, PAMI 2014 (the parametric solution).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.document_rows import DocumentRows, Selection
from retrieval.frozen import Frozen
from retrieval.tuning import TOP, scanned_share
from retrieval.types import AccessFilter, IndexEntry, ScoredId, Vectors
from retrieval.vector_file import VectorFile

_DIMENSIONS_PER_CODE = 4
_LISTS_PER_ROOT = 2.0  # lists for each square root of the vectors they are made for
_SAMPLE_PER_LIST, _ROUNDS, _SEED = 48, 8, 20  # k-means

CODES, VECTORS, RUNS, CHUNKS = "codes.faiss", "vectors.f16", "runs.npy", "chunks.npy"
SHARE = "share.npy"  # older snapshots have none: their searches scan as much as the effort allows

Codes = Any
"""`faiss.IndexIVFPQFastScan` behind a rotation; the stubs of FAISS know it as a plain `Index` only.

Snapshots of older releases have no rotation and two dimensions a code; they search as they are.
"""


@dataclass(frozen=True, slots=True)
class SearchEffort:
    """What a search may cost at most; `tune` finds out how much of it recall needs."""

    scanned: int = 700_000  # permitted vectors whose codes are compared, 4 ns each
    scanned_of_all: float = 0.25  # as many as this share of all, where that is more
    short_list: int = 1024  # scored exactly at least; twice as many as are asked for where that is more
    exact: int = 2_000  # permitted vectors up to which all are scored exactly


def train(source: Frozen, dimension: int) -> Codes:
    """An empty index whose lists and codes are made for these vectors, by a sample of them."""
    lists = max(1, int(_LISTS_PER_ROOT * len(source.rows) ** 0.5))
    sample = source.sample(lists * _SAMPLE_PER_LIST, seed=_SEED)
    codes = dimension // _DIMENSIONS_PER_CODE
    inner: Any = faiss.index_factory(dimension, f"IVF{lists},PQ{codes}x4fsr", faiss.METRIC_INNER_PRODUCT)
    inner.cp.niter, inner.cp.min_points_per_centroid, inner.cp.seed = _ROUNDS, 1, _SEED
    inner.pq.cp.min_points_per_centroid = 1  # of 16: no warning where an index is tiny
    turned = faiss.IndexPreTransform(_rotation(sample, codes), inner)
    turned.train(sample)
    return turned


def _rotation(sample: Vectors, codes: int) -> Any:
    """Principal axes, dealt out to the codes so that each has an equal share of the spread."""
    dimension = sample.shape[1]
    rotation: Any = faiss.PCAMatrix(dimension, dimension)
    rotation.balanced_bins = codes
    rotation.train(sample)
    rotation.have_bias = False  # turned but not moved: inner products stay what they are
    return rotation


def _lists_of(codes: Codes) -> Any:
    """The `IndexIVFPQFastScan` inside."""
    return faiss.downcast_index(faiss.extract_index_ivf(codes))


@contextmanager
def _one_thread() -> Iterator[None]:
    """No OpenMP team for one question: its threads wait for each other, 20 ms and more beside other work."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # of this thread only
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


class ClusteredIndex:
    """Inner product over unit vectors by trained lists; `build` makes one, `GrowingIndex` locks it.

    Rows count up and are never used twice: a deleted one leaves its list at once, and its place in the vector
    file with the next `build`.
    """

    def __init__(self, codes: Codes, vectors: VectorFile, effort: SearchEffort) -> None:
        """Over an empty trained index and an empty file."""
        self._codes = codes
        self._lists = _lists_of(codes)
        self._vectors = vectors
        self._effort = effort
        self._share = 1.0  # of all vectors, to be scanned
        self._centres: Vectors = self._lists.quantizer.reconstruct_n(0, self._lists.nlist)
        self._documents = DocumentRows()
        self._chunk_ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)  # by row
        self._list_of_row: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._list_sizes: NDArray[np.int64] = np.zeros(self._lists.nlist, dtype=np.int64)

    @classmethod
    def load(cls, folder: Path, vectors: VectorFile, dimension: int, effort: SearchEffort) -> ClusteredIndex:
        """Read what `save` wrote; raises ValueError when the files do not belong together."""
        codes = faiss.read_index(str(folder / CODES))
        vectors.load(folder / VECTORS)
        loaded = cls(codes, vectors, effort)
        loaded._documents = DocumentRows(np.load(folder / RUNS, allow_pickle=False))
        loaded._chunk_ids = np.load(folder / CHUNKS, allow_pickle=False)
        rows = {loaded._documents.total, len(loaded._chunk_ids), len(vectors)}
        if codes.d != dimension or len(rows) > 1 or codes.ntotal != len(loaded):
            raise ValueError(f"{folder}: codes, vectors and rows do not match")
        loaded._read_lists()
        if (folder / SHARE).exists():
            loaded._share = float(np.load(folder / SHARE, allow_pickle=False))
        return loaded

    def __len__(self) -> int:
        """Chunks in the index."""
        return self._documents.living

    @property
    def rows(self) -> int:
        """Rows ever given out, those of deleted chunks included."""
        return self._documents.total

    @property
    def damaged(self) -> bool:
        """Whether vectors that it holds can no longer be read."""
        return self._vectors.cut

    @property
    def share(self) -> float:
        """How much of all vectors a search scans, as far as its effort allows."""
        return self._share

    @property
    def made_for(self) -> float:
        """How many vectors the number of lists is right for."""
        return float((self._lists.nlist / _LISTS_PER_ROOT) ** 2)

    def fill(self, source: Frozen) -> None:
        """Take the rows of another index into this empty one, moved together."""
        for block in source.blocks():
            self._add_vectors(block)
        self._documents, self._chunk_ids = DocumentRows(source.runs), source.chunk_ids
        self._read_lists()

    def tune(self, source: Frozen) -> None:
        """Learn how much a search must scan, by questions made from `source`, which has just filled this."""
        everything = Selection(None, len(self))

        def nearest(vector: Vectors, share: float) -> NDArray[np.float32]:
            self._share = share
            return self._nearest(vector, min(TOP, len(self)), everything)[1]

        self._share = scanned_share(source, nearest)

    def replace(self, document_ids: Iterable[int], entries: Sequence[IndexEntry]) -> None:
        """Delete documents, then append entries."""
        self._delete(document_ids)
        if not entries:
            return
        added: Vectors = np.stack([entry.vector for entry in entries])
        _, lists = self._lists.quantizer.search(self._turned(added), 1)
        self._add_vectors(added)
        self._documents.append(entries)
        chunk_ids = np.array([entry.chunk_id for entry in entries], dtype=np.int64)
        self._chunk_ids = np.concatenate([self._chunk_ids, chunk_ids])
        self._list_of_row = np.concatenate([self._list_of_row, lists[:, 0].astype(np.int32)])
        self._list_sizes = self._list_sizes + np.bincount(lists[:, 0], minlength=self._lists.nlist)

    def _add_vectors(self, added: Vectors) -> None:
        first = len(self._vectors)
        self._vectors.append(added)
        self._codes.add_with_ids(added, np.arange(first, first + len(added)))

    def _turned(self, vectors: Vectors) -> Vectors:
        """[N, C] as the lists know them."""
        if not isinstance(self._codes, faiss.IndexPreTransform):
            return vectors
        chain: Any = self._codes.chain
        turned: Vectors = chain.at(0).apply(vectors)
        return turned

    def _delete(self, document_ids: Iterable[int]) -> None:
        gone = self._documents.delete(document_ids)
        if gone.any():
            bits = np.packbits(gone, bitorder="little")
            self._codes.remove_ids(faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg, arg-type]
            removed = np.bincount(self._list_of_row[gone], minlength=self._lists.nlist)
            self._list_sizes = self._list_sizes - removed.astype(np.int64)

    def search(self, vector: Vectors, k: int, access: AccessFilter) -> list[ScoredId]:
        """The k nearest permitted chunks to `vector` [C] by cosine, best first; nearly always exact."""
        selection = self._documents.select(access)
        k = min(k, selection.count)
        if k < 1 or not np.isfinite(vector).all():
            return []
        rows, scores = self._nearest(vector, k, selection)
        chunk_ids = self._chunk_ids[rows]
        best = np.lexsort((chunk_ids, -scores))  # equal scores in the order of their chunks
        pairs = zip(chunk_ids[best].tolist(), scores[best].tolist(), strict=True)
        return [ScoredId(*pair) for pair in pairs]

    def _nearest(
        self, vector: Vectors, k: int, selection: Selection
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best rows, best first, and their scores."""
        with _one_thread():
            rows = np.sort(self._short_list(vector, k, selection))
            return self._vectors.nearest(rows, vector, k)

    def _short_list(self, vector: Vectors, k: int, selection: Selection) -> NDArray[np.int64]:
        """Rows worth an exact score: all permitted ones where they are few."""
        if selection.count <= self._effort.exact:
            return self._documents.living_rows() if selection.mask is None else np.flatnonzero(selection.mask)
        wanted = min(selection.count, max(2 * k, self._effort.short_list))
        return self._scan(vector, wanted, selection)

    def _scan(self, vector: Vectors, wanted: int, selection: Selection) -> NDArray[np.int64]:
        """The `wanted` best rows by their codes, of the nearest lists that hold enough permitted rows."""
        asked = self._turned(vector[None])
        scores = self._centres @ asked[0]
        order = self._nearest_lists(scores, wanted, selection)[None]
        distances = np.empty((1, wanted), dtype=np.float32)
        rows = np.empty((1, wanted), dtype=np.int64)
        parameters, selector = faiss.SearchParametersIVF(), None
        parameters.nprobe = order.shape[1]
        if selection.mask is not None:  # held here: FAISS keeps only a pointer to it
            selector = faiss.IDSelectorBitmap(selection.bits)  # type: ignore[call-arg, arg-type]
            parameters.sel = selector
        arrays = (asked, order, scores[order], distances, rows)
        query, lists, centre_scores, *outputs = (faiss.swig_ptr(array) for array in arrays)
        self._lists.search_preassigned_c(1, query, wanted, lists, centre_scores, *outputs, False, parameters)
        found: NDArray[np.int64] = rows[0, rows[0] >= 0]
        return found

    def _nearest_lists(self, scores: Vectors, wanted: int, selection: Selection) -> NDArray[np.int64]:
        """Lists by the score of their centre until enough permitted rows are in them; empty ones left out.

        Counting the permitted rows, not the lists, is what keeps recall where a filter is narrow.
        """
        sizes = self._list_sizes
        if selection.mask is not None:
            sizes = selection.per_list(self._list_of_row, len(sizes))
        order = np.argsort(-scores)
        order = order[sizes[order] > 0]
        enough = max(self._enough(), wanted)
        return order[: int(np.searchsorted(np.cumsum(sizes[order]), enough)) + 1]

    def _enough(self) -> float:
        """How many permitted rows a search scans: the tuned share of all, as far as its effort allows."""
        everything = int(self._list_sizes.sum())
        allowed = max(self._effort.scanned, self._effort.scanned_of_all * everything)
        return min(self._share * everything, allowed)

    def chunk_ids(self) -> frozenset[int]:
        """Every chunk in the index."""
        return frozenset(self._chunk_ids[self._documents.living_rows()].tolist())

    def frozen(self) -> Frozen:
        """What is in the index now; later changes do not touch it."""
        rows = self._documents.living_rows()
        return Frozen(self._vectors, rows, self._chunk_ids[rows], self._documents.living_runs())

    def save(self, folder: Path) -> None:
        """Write every file into an existing folder."""
        faiss.write_index(self._codes, str(folder / CODES))
        self._vectors.save(folder / VECTORS)
        np.save(folder / RUNS, self._documents.runs, allow_pickle=False)
        np.save(folder / CHUNKS, self._chunk_ids, allow_pickle=False)
        np.save(folder / SHARE, np.float64(self._share), allow_pickle=False)

    def _read_lists(self) -> None:
        """Learn from the index which list each row is in."""
        lists = self._lists.invlists
        self._list_of_row = np.zeros(len(self._chunk_ids), dtype=np.int32)
        self._list_sizes = np.array([lists.list_size(n) for n in range(self._lists.nlist)], dtype=np.int64)
        for number, size in enumerate(self._list_sizes.tolist()):
            if size:
                self._list_of_row[faiss.rev_swig_ptr(lists.get_ids(number), size)] = number
