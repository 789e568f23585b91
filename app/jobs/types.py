"""The vocabulary of the job queue."""

from __future__ import annotations

from dataclasses import dataclass


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


class LeaseLost(Exception):
    """The job is no longer ours: deleted with its document, or taken over after a silence."""


class WorkerStopping(Exception):
    """The worker was asked to stop; the job goes back to the queue as if it had not been tried."""
