"""Measures by hand."""

from __future__ import annotations

import math

import pytest

from app.evals.metrics import (
    balanced_accuracy,
    bootstrap,
    calibration_error,
    citation_precision,
    citation_recall,
    exact_match,
    f1,
    mean_interval,
    normalize_answer,
)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Eiffel Tower, [1].", "eiffel tower"),
        ("Tomas Reer [1][2]", "tomas reer"),
        ("between 1931 [1, 3] and 1935 [2]", "between 1931 and 1935"),
        ("an “apple” — a day…", "apple day"),
        ("[draft] thesis", "draft thesis"),
        ("Ça va ?", "ça va"),
        ("", ""),
    ],
)
def test_normalize_answer(text: str, normalized: str) -> None:
    assert normalize_answer(text) == normalized


def test_exact_match_takes_any_reference() -> None:
    assert exact_match("the 4.50 crowns [2]", ["five crowns", "4.50 Crowns"]) == 1.0
    assert exact_match("4.50", ["4.50 crowns"]) == 0.0


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("Tomas Reer [1]", ["Tomas Reer"], 1.0),
        ("Mr Tomas Reer", ["Tomas Reer"], 0.8),
        ("very very red", ["very red", "blue"], 0.8),
        ("nothing", ["Tomas Reer"], 0.0),
        ("", ["Tomas Reer"], 0.0),
        ("the", ["a"], 1.0),
        ("word", [], 0.0),
    ],
)
def test_f1(answer: str, references: list[str], expected: float) -> None:
    assert f1(answer, references) == pytest.approx(expected)


def test_citation_measures() -> None:
    assert citation_precision(["p1", "p2", "p1"], ["p1", "p9"]) == 0.5
    assert citation_recall(["p1", "p2"], ["p1", "p9", "p8", "p7"]) == 0.25


def test_an_interval_holds_its_value_and_is_the_same_each_time() -> None:
    values = [1.0] * 62 + [0.0] * 38
    interval = mean_interval(values)
    assert interval == mean_interval(values)
    assert (interval["value"], interval["n"]) == (pytest.approx(0.62), 100)
    # the normal approximation is 0.62 +- 1.96 * sqrt(0.62 * 0.38 / 100) = 0.62 +- 0.095
    assert interval["low"] == pytest.approx(0.525, abs=0.02)
    assert interval["high"] == pytest.approx(0.715, abs=0.02)


def test_nothing_measured_has_no_value() -> None:
    assert mean_interval([]) == {"value": None, "low": None, "high": None, "n": 0}
    assert bootstrap(3, lambda rows: math.nan) == {"value": None, "low": None, "high": None, "n": 3}


def test_balanced_accuracy_weighs_both_classes_alike() -> None:
    always = balanced_accuracy([True] * 100, [True] * 90 + [False] * 10)
    assert always["value"] == pytest.approx(0.5)
    mixed = balanced_accuracy([True, True, False, False], [True, False, False, False])
    assert mixed["value"] == pytest.approx((1 + 2 / 3) / 2)
    assert balanced_accuracy([True, False], [True, True])["value"] is None


def test_calibration_error() -> None:
    honest = calibration_error([0.75] * 4 + [0.25] * 4, [True, True, True, False, True, False, False, False])
    assert honest["value"] == pytest.approx(0.0)
    assert calibration_error([1.0, 1.0], [False, False])["value"] == pytest.approx(1.0)
    # two bins: |0.9 - 0.5| for two rows, |0.1 - 0| for two rows
    mixed = calibration_error([0.9, 0.9, 0.1, 0.1], [True, False, False, False])
    assert mixed["value"] == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)
    assert calibration_error([], [])["n"] == 0
