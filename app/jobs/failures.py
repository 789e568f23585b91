"""Whether trying again can help: decided here and nowhere else."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError

from ingest.errors import IngestError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DATABASE_FULL = ("database or disk is full", "no space left on device", "could not extend file")


@dataclass(frozen=True, slots=True)
class Failure:
    """What a person reads about a failed document, and whether the job is tried again."""

    code: str
    stage: str
    cause: str
    next_step: str
    permanent: bool
    file: str | None = None
    page: int | None = None  # where it broke, as far as that is known

    def as_error(self) -> dict[str, Any]:
        """The JSON that documents and jobs store."""
        return {
            "code": self.code,
            "stage": self.stage,
            "file": self.file,
            "page": self.page,
            "cause": self.cause,
            "next_step": self.next_step,
        }


def classify(error: BaseException, stage: str, file: str | None = None) -> Failure:
    """The failure behind an exception that stopped the ingest of `file` in `stage`."""
    if isinstance(error, IngestError):
        return Failure(
            error.code, error.stage, error.cause, error.next_step, error.permanent, file, error.page
        )
    if isinstance(error, FileNotFoundError):
        return Failure(
            "file_missing",
            stage,
            "The stored bytes of this document are gone.",
            "Delete the document and upload the file again; run `footnote doctor`.",
            permanent=True,
            file=file,
        )
    if isinstance(error, MemoryError):
        return Failure(
            "out_of_memory",
            stage,
            "The worker ran out of memory.",
            "Free memory, then retry.",
            permanent=False,
            file=file,
        )
    if _is_full(error):
        return disk_full(stage, file)
    if isinstance(error, DBAPIError):
        return Failure(
            "database_unavailable",
            stage,
            "The database refused the work.",
            "Check the database, then retry.",
            permanent=False,
            file=file,
        )
    if isinstance(error, OSError):
        return Failure(
            "storage_failed",
            stage,
            f"The system refused a file operation: {error.strerror or type(error).__name__}.",
            "Check the permissions of FOOTNOTE_DATA_DIR, then retry.",
            permanent=False,
            file=file,
        )
    return Failure(
        "ingest_crashed",
        stage,
        f"An unexpected error stopped the work: {type(error).__name__}: {error}"[:200].rstrip(". ") + ".",
        "Retry; if it fails again, report the file and the worker's log.",
        permanent=False,
        file=file,
    )


def disk_full(stage: str, file: str | None) -> Failure:
    """There was no room for the result; nothing of it was kept."""
    return Failure(
        "disk_full",
        stage,
        "The disk is full.",
        "Free disk space or move FOOTNOTE_DATA_DIR, then retry.",
        permanent=False,
        file=file,
    )


def worker_lost(stage: str, attempts: int, file: str | None) -> Failure:
    """The worker died with this document in hand, `attempts` times."""
    return Failure(
        "worker_lost",
        stage,
        f"The worker stopped {attempts} times while working on this file.",
        "Retry; if it fails again, split the file or give the machine more memory.",
        permanent=True,
        file=file,
    )


def stage_stuck(stage: str, silent_s: float, file: str) -> Failure:
    """Nothing came from this stage for so long that its worker was given up."""
    return Failure(
        "stage_timeout",
        stage,
        f"Nothing happened for {silent_s:.0f} seconds.",
        "Retry; if it fails again, raise FOOTNOTE_STAGE_TIMEOUT_S or split the file.",
        permanent=False,
        file=file,
    )


def worker_too_large(stage: str, used_bytes: int, limit_bytes: int, file: str) -> Failure:
    """The worker grew past its limit and was given up before it could take the machine with it."""
    return Failure(
        "worker_memory",
        stage,
        f"The worker grew to {used_bytes:,} bytes, over its limit of {limit_bytes:,}.",
        "Split the file, or raise FOOTNOTE_WORKER_MEMORY_BYTES and retry.",
        permanent=False,
        file=file,
    )


def cancelled(stage: str, file: str) -> Failure:
    """A person stopped the work."""
    return Failure(
        "cancelled",
        stage,
        "You stopped the reading of this file.",
        "Retry it, or delete it.",
        permanent=True,
        file=file,
    )


def _is_full(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return any(sign in str(error.orig).lower() for sign in DATABASE_FULL)
    return isinstance(error, OSError) and error.errno in NO_SPACE
