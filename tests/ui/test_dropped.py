"""The sentence about generated questions that were dropped."""

from __future__ import annotations

from app.evals.generation.filtering import REASONS
from ui.dropped import WHY, dropped
from ui.eval_schemas import Interval


def share(count: int, n: int) -> Interval:
    return Interval(value=count / n, low=0.0, high=1.0, n=n)


def test_every_reason_has_words():
    assert set(WHY) == set(REASONS)


def test_counts_are_told_by_reason():
    measures = {
        "kept": share(12, 20),
        "dropped_too_short": share(5, 20),
        "dropped_duplicate": share(3, 20),
    }
    assert dropped(measures) == (
        "12 questions kept of 20 passages; dropped: 5 too short, 3 like another question of the set."
    )
    assert dropped({"kept": share(1, 1)}) == "1 question kept of 1 passage."
    assert dropped({}) == ""
