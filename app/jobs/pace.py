"""How long a job will still take, from the share that is done. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from app.jobs.types import StageCount
from ingest.types import Stage

MIN_SHARE = 0.02  # with less than this done a guess would jump about
MIN_ELAPSED_S = 1.0


def seconds_left(counts: Mapping[Stage, StageCount], elapsed_s: float) -> float | None:
    """Seconds until the end, supposing that the rest goes as the part before; None when it is too early.

    Embedding takes most of the time and runs beside the reading, so its share counts once it has one.
    """
    share = _share(counts.get("embed")) or _share(counts.get("parse"))
    if share is None or share < MIN_SHARE or elapsed_s < MIN_ELAPSED_S:
        return None
    return elapsed_s * (1.0 - share) / share


def _share(count: StageCount | None) -> float | None:
    """Done over total, 0 to 1; None before anything is done."""
    if count is None or count.total <= 0 or count.done <= 0:
        return None
    return min(1.0, count.done / count.total)
