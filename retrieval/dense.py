"""Exact nearest neighbours by cosine: a flat FAISS index whose access filter runs inside the scan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.document_rows import id_array, runs_of
from retrieval.frozen import Frozen
from retrieval.types import AccessFilter, IndexEntry, ScoredId, Vectors
from retrieval.vector_file import VectorFile

_VECTORS, _ROWS = "vectors.faiss", "rows.npy"
_CHUNK, _DOCUMENT, _COLLECTION = range(3)  # columns of the row table


class FlatIndex:
    """Inner product over unit vectors, searched exhaustively; not thread safe, `IndexStore` locks it.

    FAISS holds the vectors by row; `rows` int64 [N, 3] says whose chunk, document and collection each row is.
    """

    def __init__(self, dimension: int) -> None:
        self._index: faiss.Index = faiss.IndexFlatIP(dimension)
        self._rows: NDArray[np.int64] = np.empty((0, 3), dtype=np.int64)

    @classmethod
    def load(cls, folder: Path, dimension: int) -> FlatIndex:
        """Read what `save` wrote; raises ValueError when the files do not belong together."""
        loaded = cls(dimension)
        loaded._index = faiss.read_index(str(folder / _VECTORS))
        loaded._rows = np.load(folder / _ROWS, allow_pickle=False)
        if loaded._index.d != dimension or loaded._rows.shape != (loaded._index.ntotal, 3):
            raise ValueError(f"{folder}: vectors and rows do not match")
        return loaded

    def __len__(self) -> int:
        """Chunks in the index."""
        return int(self._index.ntotal)

    def frozen(self, file: VectorFile) -> Frozen:
        """What is in the index now, its vectors copied into an empty `file`."""
        file.append(self._index.reconstruct_n(0, len(self)))
        return Frozen(file, np.arange(len(self)), self._rows[:, _CHUNK].copy(), runs_of(self._rows[:, 1:]))

    def fill(self, source: Frozen) -> None:
        """Take the rows of another index into this empty one."""
        for block in source.blocks():
            self._index.add(block)
        owners = np.repeat(source.runs[:, :2], source.runs[:, 2], axis=0)
        self._rows = np.column_stack([source.chunk_ids, owners])

    def add(self, entries: Sequence[IndexEntry]) -> None:
        """Append entries; raises ValueError, changing nothing, when a vector has another width."""
        self.replace((), entries)

    def delete_documents(self, document_ids: Iterable[int]) -> None:
        """Remove every chunk of these documents; unknown ones are ignored."""
        self.replace(document_ids, ())

    def replace(self, document_ids: Iterable[int], entries: Sequence[IndexEntry]) -> None:
        """Delete documents, then append entries; raises ValueError, changing nothing, as `add` does."""
        vectors = [self._checked(entry.vector) for entry in entries]
        rows = [(entry.chunk_id, entry.document_id, entry.collection_id) for entry in entries]
        self._delete(document_ids)
        if entries:
            self._index.add(np.stack(vectors))
            self._rows = np.concatenate([self._rows, np.array(rows, dtype=np.int64)])

    def _delete(self, document_ids: Iterable[int]) -> None:
        gone = np.isin(self._rows[:, _DOCUMENT], id_array(document_ids))
        if gone.any():
            # a flat index closes the gaps and keeps the order, so the row table does the same
            self._index.remove_ids(_selector(gone))
            self._rows = self._rows[~gone]

    def search(self, vector: Vectors, k: int, access: AccessFilter) -> list[ScoredId]:
        """The k nearest permitted chunks to `vector` [C] by cosine, best first; exact.

        Raises ValueError when the vector has another width than the index.
        """
        query = self._checked(vector)[None]
        permitted = self._permitted(access)
        k = min(k, int(permitted.sum()))
        if k < 1:
            return []
        selector = _selector(permitted)  # held here: FAISS keeps only a pointer to it
        parameters = faiss.SearchParameters()
        parameters.sel = selector
        scores, rows = self._index.search(query, k, params=None if permitted.all() else parameters)
        found = rows[0] >= 0  # FAISS fills up with -1 where a score is not a number
        pairs = zip(self._rows[rows[0, found], _CHUNK].tolist(), scores[0, found].tolist(), strict=True)
        return sorted((ScoredId(*pair) for pair in pairs), key=lambda hit: (-hit.score, hit.chunk_id))

    def chunk_ids(self) -> frozenset[int]:
        """Every chunk in the index."""
        return frozenset(self._rows[:, _CHUNK].tolist())

    def save(self, folder: Path) -> None:
        """Write both files into an existing folder."""
        faiss.write_index(self._index, str(folder / _VECTORS))
        np.save(folder / _ROWS, self._rows, allow_pickle=False)

    def _checked(self, vector: Vectors) -> Vectors:
        """The vector as FAISS reads it, contiguous float32 [C]."""
        if vector.shape != (self._index.d,):
            raise ValueError(f"a vector has shape {vector.shape}, the index has {self._index.d} dimensions")
        return np.ascontiguousarray(vector, dtype=np.float32)

    def _permitted(self, access: AccessFilter) -> NDArray[np.bool_]:
        """Which rows this question may see, bool [N]."""
        documents = self._rows[:, _DOCUMENT]
        permitted = np.isin(self._rows[:, _COLLECTION], id_array(access.collection_ids))
        if access.document_ids is not None:
            permitted &= np.isin(documents, id_array(access.document_ids))
        if access.hidden_document_ids:
            permitted &= ~np.isin(documents, id_array(access.hidden_document_ids))
        return permitted


def _selector(mask: NDArray[np.bool_]) -> faiss.IDSelectorBitmap:
    """A FAISS selector of the rows that are True; one bit a row, lowest bit first."""
    bits = np.packbits(mask, bitorder="little")
    return faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]  # the stubs show the C++ signature
