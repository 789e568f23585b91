"""Which rows of an index belong to which document, and which of them a question may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from retrieval.types import AccessFilter, IndexEntry

_DOCUMENT, _COLLECTION, _COUNT, _ALIVE = range(4)  # columns of the run table
_KEPT_SELECTIONS = 8


def id_array(ids: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(ids, dtype=np.int64)


def runs_of(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """The run table int64 [R, 4] of rows whose document and collection are `owners` [N, 2]."""
    starts = np.flatnonzero(np.r_[True, (np.diff(owners, axis=0) != 0).any(axis=1)][: len(owners)])
    counts = np.diff(np.r_[starts, len(owners)])
    return np.column_stack([owners[starts], counts, np.ones_like(counts)])


class Selection:
    """Rows that a question may see; what is worked out from them is kept, because filters come again."""

    def __init__(self, mask: NDArray[np.bool_] | None, count: int) -> None:
        self.mask = mask  # by row; None: every living row
        self.count = count
        self._per_list: NDArray[np.int64] | None = None

    @cached_property
    def bits(self) -> NDArray[np.uint8]:
        """One bit a row, lowest bit first, as FAISS reads a selector; only where there is a mask."""
        assert self.mask is not None
        return np.packbits(self.mask, bitorder="little")

    def per_list(self, list_of_row: NDArray[np.int32], lists: int) -> NDArray[np.int64]:
        """How many of these rows each of an index's lists holds; only where there is a mask."""
        assert self.mask is not None
        if self._per_list is None:
            held = list_of_row[: len(self.mask)][self.mask]
            self._per_list = np.bincount(held, minlength=lists)
        return self._per_list


class DocumentRows:
    """Rows in runs: consecutive rows of one document. Runs lie end to end, so a deleted one stays, dead.

    A million chunks are some ten thousand runs, which is what a filter is compared with.
    """

    def __init__(self, runs: NDArray[np.int64] | None = None) -> None:
        """`runs` int64 [R, 4]: document, collection, number of rows, 1 while it lives."""
        self.runs: NDArray[np.int64] = np.empty((0, 4), dtype=np.int64) if runs is None else runs
        self._selections: dict[AccessFilter, Selection] = {}

    @property
    def total(self) -> int:
        """Rows, dead ones included."""
        return int(self.runs[:, _COUNT].sum())

    @property
    def living(self) -> int:
        return int(self.runs[self._alive, _COUNT].sum())

    def living_rows(self) -> NDArray[np.int64]:
        """Ascending."""
        return np.flatnonzero(self._by_row(self._alive))

    def living_runs(self) -> NDArray[np.int64]:
        """The run table without its dead: what the living rows are when they are moved together."""
        return self.runs[self._alive].copy()

    def append(self, entries: Sequence[IndexEntry]) -> None:
        """The next rows are these entries, in their order."""
        owners = [(entry.document_id, entry.collection_id) for entry in entries]
        self.runs = np.concatenate([self.runs, runs_of(np.array(owners, dtype=np.int64).reshape(-1, 2))])
        self._selections = {}

    def delete(self, document_ids: Iterable[int]) -> NDArray[np.bool_]:
        """Mark these documents dead; which rows died, bool by row."""
        gone = np.isin(self.runs[:, _DOCUMENT], id_array(document_ids)) & self._alive
        if gone.any():
            self.runs = self.runs.copy()  # a search may still be reading the table it started with
            self.runs[gone, _ALIVE] = 0
            self._selections = {}
        return self._by_row(gone)

    def select(self, access: AccessFilter) -> Selection:
        """What this question may see; the last few filters are remembered until a document changes."""
        kept = self._selections
        selection = kept.get(access)
        if selection is None:
            selection = self._selection(access)
            for oldest in list(kept)[: len(kept) - _KEPT_SELECTIONS + 1]:
                kept.pop(oldest, None)  # another search may have dropped it meanwhile
            kept[access] = selection
        return selection

    def _selection(self, access: AccessFilter) -> Selection:
        permitted = self._permitted(access)
        count = int(self.runs[permitted, _COUNT].sum())
        everything = bool((permitted == self._alive).all())
        return Selection(None if everything else self._by_row(permitted), count)

    def _permitted(self, access: AccessFilter) -> NDArray[np.bool_]:
        documents = self.runs[:, _DOCUMENT]
        permitted = self._alive & np.isin(self.runs[:, _COLLECTION], id_array(access.collection_ids))
        if access.document_ids is not None:
            permitted &= np.isin(documents, id_array(access.document_ids))
        if access.hidden_document_ids:
            permitted &= ~np.isin(documents, id_array(access.hidden_document_ids))
        return permitted

    @property
    def _alive(self) -> NDArray[np.bool_]:
        alive: NDArray[np.bool_] = self.runs[:, _ALIVE] == 1
        return alive

    def _by_row(self, runs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.repeat(runs, self.runs[:, _COUNT])
