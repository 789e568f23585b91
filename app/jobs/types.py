"""The vocabulary of the job queue."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.types import Stage


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """One document for one worker, with all that the work needs to know."""

    job_id: int
    document_id: int
    owner_id: int
    collection_id: int
    file_name: str
    sha256: str
    attempts: int  # this one included
    password: str | None = field(default=None, repr=False)  # of a protected file; in no log


@dataclass(frozen=True, slots=True)
class StageCount:
    """How far one stage is: pages of `parse`, passages of `chunk` and `embed`."""

    stage: Stage
    done: int
    total: int  # 0 while it is not known


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is. Stages overlap: passages are embedded while later pages are still being read."""

    current: StageCount
    stages: tuple[StageCount, ...]  # every stage that has begun, in their order
    seconds_left: float | None = None  # None while nothing can be said


class LeaseLost(Exception):
    """The job is no longer ours: cancelled, deleted with its document, or taken over after a silence."""


class WorkerStopping(Exception):
    """The worker was asked to stop; the job goes back to the queue as if it had not been tried."""
