"""Batches made ahead in processes beside the one that trains, so that a GPU does not wait for Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar, cast

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Batch = TypeVar("Batch")


Make = Callable[[int, int], Iterator[Batch]]  # one part of a stream, counted from 0, of so many parts


class _Stream(IterableDataset[Batch]):
    def __init__(self, make: Make[Batch]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        assert worker is not None
        return self._make(worker.id, worker.num_workers)


def made_ahead(make: Make[Batch], *, parts: int, waiting: int = 8) -> Iterator[Batch]:
    """The batches of all parts in turn, up to `waiting` of each made ahead; the processes end with this one.

    They are forks, so that data is shared and only batches are pickled: `make` must stay on the CPU.
    """
    loader = DataLoader(
        _Stream(make),
        batch_size=None,
        num_workers=parts,
        prefetch_factor=waiting,
        collate_fn=_as_it_is,
        multiprocessing_context="fork",
    )
    return cast(Iterator[Batch], iter(loader))


def _as_it_is(batch: Batch) -> Batch:
    return batch
