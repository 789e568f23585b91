"""Whether trying again can help: decided here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError

from ingest.errors import IngestError


@dataclass(frozen=True, slots=True)
class Failure:
    """What a person reads about a failed document, and whether the job is tried again."""

    code: str
    stage: str
    cause: str
    next_step: str
    permanent: bool

    def as_error(self) -> dict[str, Any]:
        """The JSON that documents and jobs store."""
        return {
            "code": self.code,
            "stage": self.stage,
            "cause": self.cause,
            "next_step": self.next_step,
        }


def classify(error: BaseException, stage: str) -> Failure:
    """The failure behind an exception that stopped the ingest in `stage`."""
    if isinstance(error, IngestError):
        return Failure(error.code, error.stage, error.cause, error.next_step, error.permanent)
    if isinstance(error, FileNotFoundError):
        return Failure(
            "file_missing",
            stage,
            "The stored bytes of this document are gone.",
            "Delete the document and upload the file again; run `footnote doctor`.",
            permanent=True,
        )
    if isinstance(error, MemoryError):
        return Failure(
            "out_of_memory",
            stage,
            "The worker ran out of memory.",
            "Free memory, then retry.",
            permanent=False,
        )
    if isinstance(error, DBAPIError):
        return Failure(
            "database_unavailable",
            stage,
            "The database refused the work.",
            "Check the database and the free disk space, then retry.",
            permanent=False,
        )
    if isinstance(error, OSError):
        return Failure(
            "storage_failed",
            stage,
            f"The system refused a file operation: {error.strerror or type(error).__name__}.",
            "Check free disk space and permissions, then retry.",
            permanent=False,
        )
    return Failure(
        "ingest_crashed",
        stage,
        f"An unexpected error stopped the work: {type(error).__name__}: {error}"[:500],
        "Retry; if it fails again, report the file and the worker's log.",
        permanent=False,
    )


def worker_lost(stage: str, attempts: int) -> Failure:
    """The worker died with this document in hand, `attempts` times."""
    return Failure(
        "worker_lost",
        stage,
        f"The worker stopped {attempts} times while working on this file.",
        "Retry; if it fails again, split the file or raise the worker's memory.",
        permanent=True,
    )
