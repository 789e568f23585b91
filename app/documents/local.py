"""Reading files without the HTTP API: `footnote ingest`, and the first step of `footnote ask --docs`.

The jobs are ordinary rows. This process works on its own documents until each is ready or has failed, and
a worker process that happens to run may take some of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.accounts.service import local_account
from app.collections.service import get_or_create
from app.db import storable
from app.documents import repository
from app.documents.encoders import require_encoder
from app.documents.file_names import name_inside
from app.documents.identity import OnExisting
from app.documents.sweeping import sweep_services
from app.documents.uploads import UploadOutcome, register
from app.errors import AppError, InvalidRequest
from app.jobs.progress import Watch
from app.jobs.types import JobProgress, LeasedJob
from app.jobs.watchdog import StageLimits
from app.jobs.wording import stages_text
from app.jobs.worker import Worker
from app.services import Services
from app.tables import Document

Tell = Callable[[str], None]
"""Shows one line to the person who waits."""

Row = dict[str, Any]
"""`{"file", "document_id", "status", "chunks", "pages", "seconds", "error"}`."""

WAIT_FOR_OTHERS_S = 0.2
TELL_EVERY_S = 2.0
DOCUMENTS_A_PART = 500  # of a long list, whose jobs are asked for in one statement


@dataclass(frozen=True, slots=True)
class Submitted:
    """A file as it was named, and what became of it."""

    file: str
    outcome: UploadOutcome


@dataclass(slots=True)
class Stopwatch:
    """Time from the first to the last step that this process did for each document."""

    first_s: dict[int, float] = field(default_factory=dict)
    last_s: dict[int, float] = field(default_factory=dict)

    def note(self, document_id: int) -> None:
        self.first_s.setdefault(document_id, time.monotonic())
        self.last_s[document_id] = time.monotonic()

    def seconds(self, document_id: int) -> float | None:
        if document_id not in self.first_s:
            return None
        return self.last_s[document_id] - self.first_s[document_id]


def ingest_paths(
    services: Services,
    paths: Sequence[Path],
    collection: str,
    tell: Tell,
    *,
    on_existing: OnExisting = "skip",
    password: str | None = None,
) -> list[Row]:
    """Reads files and folders into a collection; one row for each file, when all of them are done.

    `on_existing` is what to do with bytes or names that are there already; `password` opens protected PDFs.
    Raises InvalidRequest when a path does not exist or a folder holds no file.
    """
    files = [(file, name_inside(file, path)) for path in paths for file in list_files(path)]
    submitted = [
        Submitted(
            storable(str(file)),
            submit(services, collection, file, name, on_existing=on_existing, password=password),
        )
        for file, name in files
    ]
    for item in submitted:
        _tell_offer(item, tell)
    stopwatch = run_jobs(services, document_ids_of(submitted), tell)
    sweep_services(services)
    return rows_of(services, submitted, stopwatch)


def list_files(path: Path) -> list[Path]:
    """The file itself, or every file below the folder in order of name, without hidden ones."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InvalidRequest(f"There is no file or folder {path}.", next_step="Check the path.")
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file, path))
    if not files:
        raise InvalidRequest(f"The folder {path} holds no file.", next_step="Check the path.")
    return files


def _tell_offer(item: Submitted, tell: Tell) -> None:
    """Says that a file with a known name could have been a new version."""
    if item.outcome.same_name_as is not None:
        tell(
            f"{item.outcome.file_name}: document {item.outcome.same_name_as} has this name and other content;"
            " --on-existing replace makes it a new version of that document."
        )


def submit(
    services: Services,
    collection: str,
    file: Path,
    file_name: str,
    *,
    on_existing: OnExisting = "skip",
    document_id: int | None = None,
    password: str | None = None,
) -> UploadOutcome:
    """Stores one file and queues its job; a refusal is part of the outcome."""
    with services.sessions.begin() as session:
        user = local_account(session)
        collection_id = get_or_create(session, user, collection)
    try:
        with file.open("rb") as stream:
            staged = services.blobs.stage(stream, services.settings.max_upload_bytes)
        return register(
            services.sessions,
            services.blobs,
            user,
            collection_id,
            file_name,
            staged,
            on_existing=on_existing,
            document_id=document_id,
            password=password,
        )
    except AppError as error:
        return UploadOutcome(file_name, "rejected", error=error)
    except OSError as error:
        refusal = InvalidRequest(
            f"The file could not be read: {error.strerror}.", next_step="Check the file."
        )
        return UploadOutcome(file_name, "rejected", error=refusal)


def run_jobs(services: Services, document_ids: Sequence[int], tell: Tell) -> Stopwatch:
    """Works until every one of these documents is ready, failed or gone; raises EncoderMismatch.

    A stage that hangs ends a command's process as it ends a worker: the job says why, another run goes on.
    """
    with services.sessions() as session:
        require_encoder(session, services.models.ingest.encoder_id)
    stopwatch = Stopwatch()
    worker = Worker(
        services.settings,
        services.sessions,
        services.blobs,
        services.models.ingest,
        stop=threading.Event(),
        watch=_narrator(stopwatch, tell),
        may_exit=services.alone,
        limits=StageLimits.of(services.settings).time_only(),
    )
    waiting = [_unread(services, part) for part in repository.parts(document_ids, DOCUMENTS_A_PART)]
    while any(waiting):
        if not any(_run_one(services, worker, part) for part in waiting if part):
            time.sleep(WAIT_FOR_OTHERS_S)  # another worker has it, or it waits for its next try
    return stopwatch


def _narrator(stopwatch: Stopwatch, tell: Tell) -> Watch:
    """One line whenever a stage of a file begins, and every few seconds while it lasts."""
    shown: set[tuple[int, str]] = set()
    next_line_s = 0.0

    def watch(job: LeasedJob, progress: JobProgress) -> None:
        nonlocal next_line_s
        stopwatch.note(job.document_id)
        begun = (job.job_id, progress.current.stage)
        if begun in shown and time.monotonic() < next_line_s:
            return
        shown.add(begun)
        next_line_s = time.monotonic() + TELL_EVERY_S
        tell(f"{job.file_name}: {stages_text(progress.stages, progress.seconds_left)}")

    return watch


def _run_one(services: Services, worker: Worker, waiting: set[int]) -> bool:
    """Does one job of these documents if one is due, and takes out those that need no reading any more."""
    job = worker.run_next(waiting)
    asked = waiting if job is None else {job.document_id}  # others may have read any of them meanwhile
    waiting -= asked - _unread(services, asked)
    return job is not None


def _unread(services: Services, document_ids: Collection[int]) -> set[int]:
    with services.sessions() as session:
        return repository.unread_ids(session, document_ids)


def document_ids_of(submitted: Sequence[Submitted]) -> list[int]:
    ids = (item.outcome.document_id for item in submitted)
    return sorted({document_id for document_id in ids if document_id is not None})


def rows_of(services: Services, submitted: Sequence[Submitted], stopwatch: Stopwatch) -> list[Row]:
    """One row for each file, as it stands now."""
    with services.sessions() as session:
        found = repository.list_by_ids(session, document_ids_of(submitted))
    documents = {row.id: row for row in found}
    return [_row(item, documents.get(item.outcome.document_id or 0), stopwatch) for item in submitted]


def _row(item: Submitted, document: Document | None, stopwatch: Stopwatch) -> Row:
    outcome = item.outcome
    error = None if document is None else document.error
    if outcome.error is not None:
        error = outcome.error.body().model_dump(exclude={"details"})
    seconds = None if document is None else stopwatch.seconds(document.id)
    if document is None or outcome.status == "rejected":
        status = "failed"
    else:
        status = "duplicate" if outcome.status == "duplicate" else document.status
    return {
        "file": item.file,
        "document_id": outcome.document_id,
        "status": status,
        "chunks": 0 if document is None else document.chunk_count or 0,
        "pages": 0 if document is None else document.page_count or 0,
        "seconds": round(seconds if seconds is not None else _seconds_elsewhere(document), 3),
        "error": error,
    }


def _seconds_elsewhere(document: Document | None) -> float:
    """What the worker that read the file measured."""
    report = document.report if document is not None else None
    return float(sum((report or {}).get("seconds", {}).values()))


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
