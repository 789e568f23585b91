"""Ingest yields to questions: the worker and its children get what the API leaves of the processor."""

from __future__ import annotations

import os

NICENESS = 10  # about a tenth of the weight of a normal process


def yield_to_others() -> None:
    """Lowers the priority of this process and of every child that it starts from here on."""
    os.nice(max(0, NICENESS - os.nice(0)))


def threads_each(cores: int, workers: int) -> int:
    """Threads of one of several workers, so that together they fill the cores."""
    return max(1, cores // workers)
