"""Time left, words for people, and the limits of a stage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.jobs.pace import seconds_left
from app.jobs.priority import NICENESS, threads_each
from app.jobs.types import StageCount
from app.jobs.watchdog import StageLimits, Watchdog
from app.jobs.wording import stages_text
from ingest.types import Stage


def counts(**values: tuple[int, int]) -> dict[Stage, StageCount]:
    return {stage: StageCount(stage, *value) for stage, value in values.items()}  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("done", "elapsed_s", "expected"),
    [
        (counts(parse=(20, 80)), 10.0, 30.0),
        (counts(parse=(80, 80), embed=(50, 100)), 10.0, 10.0),
        (counts(parse=(80, 80), embed=(0, 100)), 10.0, 0.0),
        (counts(embed=(100, 100)), 10.0, 0.0),
        (counts(parse=(1, 1000)), 10.0, None),  # too little to tell
        (counts(parse=(20, 80)), 0.5, None),  # too early
        (counts(parse=(7, 0)), 10.0, None),  # a parser that does not know its total
        ({}, 10.0, None),
    ],
)
def test_the_rest_is_expected_to_go_as_the_part_before(
    done: dict[Stage, StageCount], elapsed_s: float, expected: float | None
) -> None:
    assert seconds_left(done, elapsed_s) == expected


@pytest.mark.parametrize(
    ("left", "words"), [(None, ""), (0.2, ", about 1 s left"), (95.0, ", about 2 min left")]
)
def test_stages_are_told_in_words(left: float | None, words: str) -> None:
    told = stages_text(counts(stored=(1, 1), parse=(12, 80), embed=(0, 0)).values(), left)
    assert told == "fetched, parsed 12/80 pages, embedding" + words


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_stage_without_a_step_is_given_up_and_one_with_steps_is_not() -> None:
    clock = Clock()
    watchdog = Watchdog(StageLimits(silent_s=10, memory_bytes=2**40), "a.pdf", clock)
    for page in range(5):
        clock.now_s += 8
        watchdog.note("parse", page)
        assert watchdog.verdict() is None
    clock.now_s += 8
    watchdog.note("parse", 4)  # the same count again
    clock.now_s += 3
    failure = watchdog.verdict()
    assert failure is not None
    assert (failure.code, failure.stage, failure.file) == ("stage_timeout", "parse", "a.pdf")


def test_a_worker_that_outgrows_its_limit_is_given_up() -> None:
    failure = Watchdog(StageLimits(silent_s=10, memory_bytes=1024), "a.pdf").verdict()
    assert failure is not None
    assert (failure.code, failure.permanent) == ("worker_memory", False)


def test_workers_share_the_cores() -> None:
    assert [threads_each(8, workers) for workers in (1, 2, 3, 16)] == [8, 4, 2, 1]


def test_a_worker_yields_once_and_so_do_its_children() -> None:
    code = "import os, app.jobs.priority as p; p.yield_to_others(); p.yield_to_others(); print(os.nice(0))"
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert int(result.stdout) >= NICENESS
