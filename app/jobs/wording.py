"""How far a job is, in words for the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

VERBS = {  # while it runs, and when it is over or counted
    "stored": ("fetching", "fetched"),
    "parse": ("parsing", "parsed"),
    "chunk": ("chunking", "chunked"),
    "embed": ("embedding", "embedded"),
    "index": ("indexing", "indexed"),
}
UNITS = {"parse": "pages", "chunk": "passages", "embed": "passages"}


class Count(Protocol):
    """A stage with its count, from the queue or from the API."""

    @property
    def stage(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...


def stages_text(counts: Iterable[Count], seconds_left: float | None) -> str:
    """`fetched, parsed 12/80 pages, embedded 32/48 passages, about 20 s left`."""
    parts = [count_text(count) for count in counts]
    if seconds_left is not None:
        parts.append(f"about {duration(seconds_left)} left")
    return ", ".join(parts)


def count_text(count: Count) -> str:
    """One stage: its verb, and what is counted where it has more than one step."""
    doing, done = VERBS[count.stage]
    unit = UNITS.get(count.stage)
    if unit is None or count.total == 0:
        return done if count.total and count.done >= count.total else doing
    return f"{done} {count.done:,}/{count.total:,} {unit}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours: whole ones, at least one second."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{round(seconds / 3600)} h"
