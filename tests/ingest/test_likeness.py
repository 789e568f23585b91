"""Sketches against the exact share of word runs in common."""

from __future__ import annotations

import random
import time

import pytest

from ingest.likeness import ALIKE, bands, likeness, sketch

WORDS = [f"word{number}" for number in range(5_000)]


def text(seed: int, length: int = 1_000) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def changed(of: str, every: int) -> str:
    """The text with a new word in the place of one in `every`."""
    words = of.split()
    return " ".join(f"new{place}" if place % every == 0 else word for place, word in enumerate(words))


def exact(one: str, other: str) -> float:
    """Jaccard index of the runs of three words."""
    a, b = (
        {tuple(words[at : at + 3]) for at in range(len(words) - 2)} for words in (one.split(), other.split())
    )
    return len(a & b) / len(a | b)


def estimated(one: str, other: str) -> float:
    first, second = sketch(one), sketch(other)
    assert first is not None
    assert second is not None
    return likeness(first, second)


@pytest.mark.parametrize("every", [200, 60, 20, 5])
def test_the_estimate_is_near_the_exact_share(every: int) -> None:
    errors = [
        estimated(text(seed), changed(text(seed), every)) - exact(text(seed), changed(text(seed), every))
        for seed in range(20)
    ]
    assert max(map(abs, errors)) < 0.15
    assert abs(sum(errors)) / len(errors) < 0.03


def test_case_signs_and_lines_do_not_count() -> None:
    assert estimated("Everyone has 28 days, of leave.", "EVERYONE has\n28 days of leave") == 1.0


def test_other_texts_are_not_alike() -> None:
    assert estimated(text(1), text(2)) < 0.1
    assert estimated("Yes.", "No.") == 0.0


@pytest.mark.parametrize(
    "script", ["東京都の桜は四月に咲きます。", "서울의 봄은 사월에 옵니다", "Весна приходит в апреле."]
)
def test_every_script_has_words(script: str) -> None:
    assert estimated(script * 3, script * 3 + "!") == 1.0
    assert estimated(script, script[::-1]) < 0.5


def test_a_text_without_words_has_no_sketch() -> None:
    assert sketch(" -- \n ...") is None


def test_alike_texts_share_a_band_and_others_hardly_ever() -> None:
    originals = [text(seed, 400) for seed in range(100)]
    shared = 0
    for original in originals:
        near = sketch(changed(original, 60))
        first = sketch(original)
        assert near is not None
        assert first is not None
        assert likeness(first, near) > ALIKE - 0.1
        shared += bool(set(bands(first)) & set(bands(near)))
    assert shared >= 98
    all_bands = [number for original in originals for number in bands(sketch(original))]  # type: ignore[arg-type]
    assert len(set(all_bands)) == len(all_bands)


def test_a_long_book_takes_about_a_second_at_most() -> None:
    book = text(7, 500_000)
    started = time.process_time()
    sketch(book)
    assert time.process_time() - started < 5.0
