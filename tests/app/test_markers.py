"""A marker that cites nothing never shows, however it arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.answers.markers import without_marker


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([" [", "0", "]"], ""),
        ([" [0]"], ""),
        (["[0", "] "], ""),
        ([" Paris", " [", "1", "]"], " Paris [1]"),
        ([" [", "1", "]"], " [1]"),
        ([" Paris [0", "] [1].", " Rome [0]."], " Paris [1]. Rome."),
        ([" ten [10] of [0"], " ten [10] of"),
        ([" two  ", " words\n", ""], " two   words"),
    ],
)
def test_the_marker_is_dropped_with_the_blanks_before_it(pieces: list[str], shown: str) -> None:
    assert "".join(without_marker(pieces, "[0]")) == shown


def test_only_what_may_become_the_marker_is_held_back() -> None:
    told: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in (" Paris", " [", "1", "]", " ["):
            told.append(piece)
            yield piece

    seen = []
    for text in without_marker(pieces(), "[0]"):
        seen.append((text, len(told)))
    assert seen == [(" Paris", 1), (" [1", 3), ("]", 4)]


def test_without_such_a_marker_nothing_is_changed() -> None:
    assert list(without_marker([" [0]", " "], None)) == [" [0]", " "]
