"""The ingest worker: leases jobs, turns files into chunks, stores each result in one transaction.

Several workers may run, in several processes; the queue keeps them apart. A worker that is killed at any
point loses nothing: its lease ends, another worker starts the file again, and only a completed file stores.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.db import make_sessions
from app.documents.blobs import BlobStore
from app.documents.index_sync import require_encoder
from app.jobs.failures import classify
from app.jobs.identity import new_worker_id
from app.jobs.lease import Lease
from app.jobs.queue import JobQueue, RetryPolicy
from app.jobs.types import LeasedJob, LeaseLost, WorkerStopping
from app.services import IngestModels
from app.settings import Settings
from ingest.pipeline import ingest_file
from ingest.types import IngestedDocument, ParseLimits, Stage

log = logging.getLogger(__name__)

PROGRESS_INTERVAL_S = 0.5
REAPS_PER_LEASE = 4

Watch = Callable[[LeasedJob, Stage, int, int], None]
"""Told about every step of a job, for a person who waits in the same process."""


def run_worker(
    settings: Settings,
    engine: Engine,
    blobs: BlobStore,
    models: IngestModels,
    *,
    stop: threading.Event,
    until_idle: bool = False,
) -> None:
    """Works until `stop` is set, or with `until_idle` until no job waits.

    Raises EncoderMismatch at the start rather than mix the vectors of two encoders.
    """
    sessions = make_sessions(engine)
    with sessions() as session:
        require_encoder(session, models.encoder_id)
    worker = Worker(settings, sessions, blobs, models, stop=stop)
    log.info("worker started")
    while not stop.is_set():
        try:
            if worker.run_next() is None:
                if until_idle and worker.queue.is_drained():
                    return
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
    ) -> None:
        self.queue = JobQueue(sessions, new_worker_id(), RetryPolicy.of(settings))
        self._settings = settings
        self._blobs = blobs
        self._models = models
        self._stop = stop
        self._watch = watch
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

    def _run(self, job: LeasedJob) -> None:
        progress = _Progress(self.queue, job, self._watch)
        try:
            with Lease(self.queue, job, self._stop) as lease:
                progress.lease = lease
                self._ingest_and_store(job, progress)
        except LeaseLost as lost:
            log.info("job %d dropped: %s", job.job_id, lost)
        except WorkerStopping:
            self._settle(job, lambda: self.queue.release(job))
        except Exception as error:  # every other failure becomes a row that a person can read
            failure = classify(error, progress.stage)
            log.warning("%s: %s", job.file_name, failure.cause, exc_info=failure.code == "ingest_crashed")
            self._settle(job, lambda: self.queue.fail(job, failure))

    def _ingest_and_store(self, job: LeasedJob, progress: _Progress) -> None:
        started = time.monotonic()
        progress("parse", 0, 0)  # a parser that cannot count would leave the row at "stored"
        ingested = self._ingest(job, progress)
        progress("index", 0, 1)
        self.queue.complete(job, ingested, self._models.encoder_id)
        seconds = time.monotonic() - started
        log.info("%s: %d chunks in %.1f s", job.file_name, len(ingested.chunks), seconds)

    def _ingest(self, job: LeasedJob, progress: _Progress) -> IngestedDocument:
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
            ),
            progress=progress,
        )

    def _settle(self, job: LeasedJob, report: Callable[[], None]) -> None:
        try:
            report()
        except LeaseLost as lost:
            log.info("job %d dropped: %s", job.job_id, lost)


class _Progress:
    """The pipeline's progress callback: stops work that is pointless, writes only now and then."""

    def __init__(self, queue: JobQueue, job: LeasedJob, watch: Watch | None) -> None:
        self.stage: Stage = "stored"
        self.lease: Lease | None = None
        self._queue = queue
        self._job = job
        self._watch = watch
        self._next_write_s = 0.0

    def __call__(self, stage: Stage, done: int, total: int) -> None:
        if self.lease is not None:
            self.lease.check()
        if self._watch is not None:
            self._watch(self._job, stage, done, total)
        if stage != self.stage or time.monotonic() >= self._next_write_s:
            self.stage = stage
            self._next_write_s = time.monotonic() + PROGRESS_INTERVAL_S
            self._queue.progress(self._job, stage, done, total)
