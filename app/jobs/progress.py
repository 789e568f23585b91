"""The pipeline's progress callback: stops work that is pointless, writes only now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import get_args

from app.jobs.lease import Lease
from app.jobs.pace import seconds_left
from app.jobs.queue import JobQueue
from app.jobs.types import JobProgress, LeasedJob, StageCount
from ingest.types import Stage

WRITE_INTERVAL_S = 0.5  # also how soon a worker notices that its job was cancelled or deleted
ORDER: tuple[Stage, ...] = get_args(Stage)

Watch = Callable[[LeasedJob, JobProgress], None]
"""Told about every step of a job, for a person who waits in the same process."""


class ProgressReporter:
    """Called with (stage, done, total); raises LeaseLost or WorkerStopping."""

    def __init__(self, queue: JobQueue, job: LeasedJob, watch: Watch | None) -> None:
        self.stage: Stage = "stored"
        self.lease: Lease | None = None
        self._queue = queue
        self._job = job
        self._watch = watch
        self._counts: dict[Stage, StageCount] = {"stored": StageCount("stored", 1, 1)}
        self._started_s = time.monotonic()
        self._next_write_s = 0.0

    def __call__(self, stage: Stage, done: int, total: int) -> None:
        begun = stage not in self._counts
        self.stage = stage
        self._counts[stage] = StageCount(stage, done, total)
        if self.lease is not None:
            self.lease.check()
            self.lease.note(stage, done)
        progress = self._progress()
        if self._watch is not None:
            self._watch(self._job, progress)
        if begun or time.monotonic() >= self._next_write_s:
            self._queue.progress(self._job, progress)
            self._next_write_s = time.monotonic() + WRITE_INTERVAL_S

    def _progress(self) -> JobProgress:
        elapsed_s = time.monotonic() - self._started_s
        return JobProgress(
            current=self._counts[self.stage],
            stages=tuple(self._counts[stage] for stage in ORDER if stage in self._counts),
            seconds_left=seconds_left(self._counts, elapsed_s),
        )
