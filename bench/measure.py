"""Alternating runs: whatever disturbs the machine disturbs everyone, so ratios inside one call hold."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Figures = tuple[float, ...]
"""What one run measured; every subject of a comparison gives the same figures in the same order."""

Run = Callable[[int], Figures]
"""One run over the inputs of that round: inputs differ by round, so no cache of an earlier one helps."""

FEWEST_ROUNDS = 2  # whatever the budget: one round has no spread
PAUSE_S = 0.05  # lets the threads of the runtime before stop spinning


@dataclass(frozen=True, slots=True)
class Sample:
    """The runs of one subject, summed up."""

    median: float
    spread_percent: float  # interquartile range over the median
    runs: int


def summarise(values: Sequence[float]) -> Sample:
    """Median and interquartile range of one value or more; raises ValueError for none."""
    if not values:
        raise ValueError("nothing was measured")
    median = statistics.median(values)
    if len(values) == 1 or median == 0:
        return Sample(median, 0.0, len(values))
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Sample(median, abs(100 * (high - low) / median), len(values))


def alternate(
    subjects: Mapping[str, Run], *, rounds: int, budget_s: float, pause_s: float = PAUSE_S
) -> dict[str, list[Figures]]:
    """Figures of every subject: a warm-up each (round 0), then rounds in which each runs once, in turn.

    No round starts after `budget_s` seconds, but FEWEST_ROUNDS (or `rounds`, if fewer) are always run.
    """
    started = time.monotonic()
    for run in subjects.values():
        run(0)
    results: dict[str, list[Figures]] = {name: [] for name in subjects}
    for number in range(1, rounds + 1):
        if number > FEWEST_ROUNDS and time.monotonic() - started > budget_s:
            break
        for name, run in subjects.items():
            time.sleep(pause_s)
            results[name].append(run(number))
    return results


def samples(results: Mapping[str, Sequence[Figures]], column: int = 0) -> dict[str, Sample]:
    """The figure at `column` of every subject, summed up."""
    return {name: summarise([figures[column] for figures in runs]) for name, runs in results.items()}


def seconds(function: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed (nearest rank); ValueError for none."""
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(0, int(rank) - 1)]
