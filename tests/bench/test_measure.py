"""Alternating runs and what is made of them, on subjects that take no time."""

from __future__ import annotations

import pytest

from bench import measure
from bench.measure import Figures, alternate, percentile, samples, summarise


def subject(log: list[tuple[str, int]], name: str, value: float):
    def run(number: int) -> Figures:
        log.append((name, number))
        return (value + number, -value)

    return run


def test_subjects_take_turns_after_a_warm_up_each() -> None:
    log: list[tuple[str, int]] = []
    results = alternate(
        {name: subject(log, name, 10.0) for name in ("ours", "peer")}, rounds=2, budget_s=9.0, pause_s=0.0
    )
    assert log == [(name, number) for number in range(3) for name in ("ours", "peer")]
    assert results["ours"] == [(11.0, -10.0), (12.0, -10.0)], "the warm-up does not count"


def test_the_budget_ends_the_rounds_but_two_are_always_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 1000, 10))
    monkeypatch.setattr(measure.time, "monotonic", lambda: float(next(seconds)))
    log: list[tuple[str, int]] = []
    results = alternate({"ours": subject(log, "ours", 1.0)}, rounds=50, budget_s=15.0, pause_s=0.0)
    assert len(results["ours"]) == 3, "the third round began within 15 seconds, the fourth did not"
    assert len(alternate({"ours": subject([], "ours", 1.0)}, rounds=9, budget_s=0, pause_s=0)["ours"]) == 2


def test_median_and_spread() -> None:
    assert summarise([4.0]).spread_percent == 0.0
    sample = summarise([1.0, 2.0, 3.0, 4.0, 100.0])
    assert (sample.median, sample.runs) == (3.0, 5)
    assert sample.spread_percent == pytest.approx(100 * (4 - 2) / 3)
    assert summarise([0.0, 0.0]).spread_percent == 0.0
    with pytest.raises(ValueError, match="nothing"):
        summarise([])


def test_samples_read_one_column() -> None:
    results: dict[str, list[Figures]] = {"ours": [(1.0, 5.0), (3.0, 7.0)], "peer": [(2.0, 8.0)]}
    assert {name: sample.median for name, sample in samples(results, 1).items()} == {"ours": 6.0, "peer": 8.0}


@pytest.mark.parametrize(("percent", "expected"), [(50, 2.0), (95, 4.0), (100, 4.0), (1, 1.0)])
def test_percentiles_are_values_that_occurred(percent: float, expected: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected
