"""Time and memory limits of the stages that run in the worker's own process.

Parsing has a child process that can be ended from outside. A tokenizer or encoder that hangs cannot: then
the job is given up with its reason and the whole worker process ends; the supervisor starts another.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from app.jobs.failures import Failure, stage_stuck, worker_too_large
from app.settings import Settings

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class StageLimits:
    """What a stage may take."""

    silent_s: float  # without any progress
    memory_bytes: int  # resident size of the worker, its children not counted

    @classmethod
    def of(cls, settings: Settings) -> StageLimits:
        # The parser's own clock must win: its child tells more about the file than we can.
        silent_s = max(settings.stage_timeout_s, settings.parse_timeout_s * 1.5)
        return cls(silent_s, settings.worker_memory_bytes)

    def time_only(self) -> StageLimits:
        """For a process that holds more than a worker: every model, and an index."""
        return StageLimits(self.silent_s, sys.maxsize)


class Watchdog:
    """`note` each step; `verdict` says why the job must be given up, or None."""

    def __init__(self, limits: StageLimits, file_name: str, clock: Clock = time.monotonic) -> None:
        self._limits = limits
        self._file_name = file_name
        self._clock = clock
        self._step: tuple[str, int] = ("stored", 0)
        self._since_s = clock()
        self._process = psutil.Process()

    @property
    def silent_s(self) -> float:
        """How long a stage may go without any progress."""
        return self._limits.silent_s

    def note(self, stage: str, done: int) -> None:
        """A step was made; the same count again is no progress."""
        if (stage, done) != self._step:
            self._step, self._since_s = (stage, done), self._clock()

    def verdict(self) -> Failure | None:
        stage = self._step[0]
        silent_s = self._clock() - self._since_s
        if silent_s > self._limits.silent_s:
            return stage_stuck(stage, silent_s, self._file_name)
        used_bytes = self._process.memory_info().rss
        if used_bytes > self._limits.memory_bytes:
            return worker_too_large(stage, used_bytes, self._limits.memory_bytes, self._file_name)
        return None
