"""The ingest worker: leases jobs, turns files into chunks, stores each result in one transaction.

Several workers may run, in several processes; the queue keeps them apart. A worker that is killed at any
point loses nothing: its lease ends, another worker starts the file again, and only a completed file stores.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection

import psutil
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.db import make_sessions
from app.documents import sketching
from app.documents.blobs import BlobStore
from app.documents.encoder_switch import active_models, remember
from app.documents.encoders import require_encoder
from app.jobs.failures import Failure, classify
from app.jobs.identity import new_worker_id
from app.jobs.lease import GiveUp, Lease
from app.jobs.progress import ProgressReporter, Watch
from app.jobs.queue import JobQueue, RetryPolicy
from app.jobs.types import LeasedJob, LeaseLost, WorkerStopping
from app.jobs.watchdog import StageLimits, Watchdog
from app.jobs.workplace import Workplace
from app.services import IngestModels
from app.settings import Settings
from ingest.pipeline import ingest_file
from ingest.types import IngestedDocument, ParseLimits

log = logging.getLogger(__name__)

REAPS_PER_LEASE = 4
GIVEN_UP = 75  # exit status of a worker whose stage hung or grew; its supervisor starts another


def run_worker(
    settings: Settings,
    engine: Engine,
    blobs: BlobStore,
    models: IngestModels,
    *,
    stop: threading.Event,
    until_idle: bool = False,
    may_exit: bool = False,
) -> None:
    """Works until `stop` is set, or with `until_idle` until no job waits.

    `may_exit`: this process is a worker and nothing else, and may be ended to get rid of a stage that hangs.
    Raises EncoderMismatch at the start rather than mix the vectors of two encoders.
    """
    sessions = make_sessions(engine)
    with sessions() as session:
        require_encoder(session, models.encoder_id)
    remember(sessions, models)
    worker = Worker(settings, sessions, blobs, models, stop=stop, may_exit=may_exit)
    log.info("worker started")
    behind = not until_idle  # documents of an older release are compared while nothing else is to do
    while not stop.is_set():
        try:
            if (changed := active_models(sessions, models)) is not models:  # after `footnote reindex`
                models = changed
                worker = Worker(settings, sessions, blobs, models, stop=stop, may_exit=may_exit)
            if worker.run_next() is None:
                if until_idle and worker.queue.is_drained():
                    return
                behind = behind and sketching.sketch_next(sessions)
                if not behind:
                    stop.wait(settings.poll_interval_s)
        except DBAPIError:
            log.exception("the database refused the worker, trying again")
            stop.wait(settings.poll_interval_s)


class Worker:
    """One worker; `run_next` does one job."""

    def __init__(
        self,
        settings: Settings,
        sessions: sessionmaker[Session],
        blobs: BlobStore,
        models: IngestModels,
        *,
        stop: threading.Event,
        watch: Watch | None = None,
        may_exit: bool = False,
        limits: StageLimits | None = None,
    ) -> None:
        self.queue = JobQueue(sessions, new_worker_id(), RetryPolicy.of(settings))
        self._settings = settings
        self._blobs = blobs
        self._models = models
        self._stop = stop
        self._watch = watch
        self._give_up: GiveUp | None = self._give_up_and_exit if may_exit else None
        self._limits = limits or StageLimits.of(settings)
        self._workplace = Workplace(settings.data_dir / "work", models.encoder_id, models.dimension)
        self._next_reap_s = 0.0

    def run_next(self, document_ids: Collection[int] | None = None) -> LeasedJob | None:
        """Does the next job that is due, whatever its outcome; None when there is none."""
        self._reap_sometimes()
        job = self.queue.take_next(document_ids)
        if job is not None:
            self._run(job)
        return job

    def _reap_sometimes(self) -> None:
        if time.monotonic() >= self._next_reap_s:
            self._next_reap_s = time.monotonic() + self.queue.lease_s / REAPS_PER_LEASE
            self.queue.reap()
            self._sweep(self._workplace.jobs())

    def _run(self, job: LeasedJob) -> None:
        progress = ProgressReporter(self.queue, job, self._watch)
        watchdog = Watchdog(self._limits, job.file_name)
        try:
            with Lease(self.queue, job, self._stop, watchdog, self._give_up) as lease:
                progress.lease = lease
                self._ingest_and_store(job, progress)
        except LeaseLost as lost:
            log.info("job %d dropped: %s", job.job_id, lost)
        except WorkerStopping:
            self._settle(job, lambda: self.queue.release(job))
        except Exception as error:  # every other failure becomes a row that a person can read
            failure = classify(error, progress.stage, job.file_name)
            log.warning("%s: %s", job.file_name, failure.cause, exc_info=failure.code == "ingest_crashed")
            self._settle(job, lambda: self.queue.fail(job, failure))
        self._sweep([job.job_id])

    def _sweep(self, job_ids: Collection[int]) -> None:
        """Jobs that will be tried again keep what they have; the others leave nothing."""
        if job_ids:
            self._workplace.clear(set(job_ids) - self.queue.unfinished(job_ids))

    def _ingest_and_store(self, job: LeasedJob, progress: ProgressReporter) -> None:
        started = time.monotonic()
        progress("parse", 0, 0)  # a parser that cannot count would leave the row at "stored"
        ingested = self._ingest(job, progress)
        progress("index", 0, 1)
        self.queue.complete(job, ingested, self._models.encoder_id)
        seconds = time.monotonic() - started
        log.info("%s: %d chunks in %.1f s", job.file_name, len(ingested.chunks), seconds)

    def _ingest(self, job: LeasedJob, progress: ProgressReporter) -> IngestedDocument:
        return ingest_file(
            self._blobs.path(job.sha256),
            job.file_name,
            encode=self._models.encode,
            token_spans=self._models.token_spans,
            max_chunk_tokens=self._settings.chunk_tokens,
            limits=ParseLimits(
                timeout_s=self._settings.parse_timeout_s,
                memory_bytes=self._settings.parse_memory_bytes,
                file_bytes=self._settings.max_upload_bytes,
                ocr_languages=self._settings.ocr_languages,
            ),
            progress=progress,
            password=job.password,
            keep=self._workplace.open(job),
        )

    def _settle(self, job: LeasedJob, report: Callable[[], None]) -> None:
        try:
            report()
        except LeaseLost as lost:
            log.info("job %d dropped: %s", job.job_id, lost)

    def _give_up_and_exit(self, job: LeasedJob, failure: Failure) -> None:
        """Ends this process: nothing else stops native code that hangs. The job says why."""
        log.error("%s: %s This process ends.", job.file_name, failure.cause)
        try:
            self._settle(job, lambda: self.queue.fail(job, failure))
        except DBAPIError:
            log.exception("job %d: the failure could not be stored; its lease ends by itself", job.job_id)
        end_children()
        os._exit(GIVEN_UP)


def end_children() -> None:
    """Kills the parser, if one runs."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
