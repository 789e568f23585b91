"""The job queue as a worker uses it: every method is one transaction.

A lease makes a job belong to one worker for `lease_s`; heartbeats extend it. Every later step is guarded
by still holding it, so a worker that was presumed dead and wakes up again changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session, sessionmaker

from app.collections import repository as collections
from app.documents import repository as documents
from app.documents import storing
from app.jobs import repository
from app.jobs.failures import Failure, worker_lost
from app.jobs.silence import Clock, SilenceWatch
from app.jobs.types import JobProgress, LeasedJob, LeaseLost
from app.settings import Settings
from app.tables import Document, Job, utc_now
from ingest.types import IngestedDocument

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a lease lasts and how often a job is tried."""

    lease_s: float
    max_attempts: int
    backoff_s: float  # before the second try; doubles

    @classmethod
    def of(cls, settings: Settings) -> RetryPolicy:
        return cls(settings.lease_s, settings.max_attempts, settings.retry_backoff_s)

    def pause(self, attempts: int) -> timedelta:
        return min(timedelta(seconds=self.backoff_s * 2 ** (attempts - 1)), repository.LONGEST_PAUSE)


class JobQueue:
    """The queue as seen by the worker `worker_id`."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        worker_id: str,
        policy: RetryPolicy,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._worker_id = worker_id
        self._policy = policy
        self._silence = SilenceWatch(policy.lease_s, clock)

    @property
    def lease_s(self) -> float:
        return self._policy.lease_s

    def take_next(self, document_ids: Collection[int] | None = None) -> LeasedJob | None:
        """Leases a job that is due, or None. An idle worker only reads, it does not disturb writers."""
        now = utc_now()
        with self._sessions() as session:
            if not repository.any_due(session, now, document_ids):
                return None
        with self._sessions.begin() as session:
            return repository.take_next(
                session, self._worker_id, now=now, lease_s=self._policy.lease_s, document_ids=document_ids
            )

    def is_drained(self) -> bool:
        """No job waits, not even for a retry."""
        with self._sessions() as session:
            return repository.count_by_status(session).get("queued", 0) == 0

    def unfinished(self, job_ids: Collection[int]) -> frozenset[int]:
        """Those of the jobs that wait or run."""
        with self._sessions() as session:
            return repository.unfinished(session, job_ids)

    def heartbeat(self, job: LeasedJob) -> None:
        """Extends the lease; raises LeaseLost."""
        with self._sessions.begin() as session:
            until = utc_now() + timedelta(seconds=self._policy.lease_s)
            _require(repository.extend_lease(session, job.job_id, self._worker_id, until), job)

    def progress(self, job: LeasedJob, progress: JobProgress) -> None:
        """Shows how far the work is; raises LeaseLost."""
        with self._sessions.begin() as session:
            _require(repository.set_progress(session, job.job_id, self._worker_id, progress), job)

    def complete(self, job: LeasedJob, ingested: IngestedDocument, encoder_id: str) -> None:
        """Stores the result and ends the job in one transaction; raises LeaseLost and then stores nothing."""
        with self._sessions.begin() as session:
            _hold_collection(session, job)
            document = _locked(session, job)
            _require(repository.set_done(session, job.job_id, self._worker_id), job)
            storing.store(session, document, ingested, encoder_id)

    def fail(self, job: LeasedJob, failure: Failure) -> None:
        """Queues another try after a pause, or ends the job as dead and its document as failed."""
        with self._sessions.begin() as session:
            document = _locked(session, job)
            if failure.permanent or job.attempts >= self._policy.max_attempts:
                held = _bury(session, document, job.job_id, self._worker_id, failure)
            else:
                held = repository.set_queued(
                    session,
                    job.job_id,
                    self._worker_id,
                    run_after=utc_now() + self._policy.pause(job.attempts),
                    error=failure.as_error(),
                    attempts=job.attempts,
                )
                document.status = "queued"
            _require(held, job)

    def release(self, job: LeasedJob) -> None:
        """Gives the job back untried: this worker is stopping."""
        with self._sessions.begin() as session:
            document = _locked(session, job)
            held = repository.set_queued(
                session,
                job.job_id,
                self._worker_id,
                run_after=utc_now(),
                error=None,
                attempts=job.attempts - 1,
            )
            _require(held, job)
            document.status = "queued"

    def reap(self) -> int:
        """Takes back the jobs of workers that fell silent; returns how many."""
        with self._sessions() as session:
            running = repository.list_running(session)
        suspects = self._silence.abandoned(running)
        return sum(self._take_back(job) for job in suspects)

    def _take_back(self, job: Job) -> bool:
        with self._sessions.begin() as session:
            document = documents.lock(session, job.document_id)
            if document is None or job.leased_by is None:
                return False
            log.warning("job %d: its worker %s is gone, taking it back", job.id, job.leased_by)
            if job.attempts >= self._policy.max_attempts:
                failure = worker_lost(job.stage, job.attempts, document.file_name)
                return _bury(session, document, job.id, job.leased_by, failure)
            held = repository.set_queued(
                session, job.id, job.leased_by, run_after=utc_now(), error=job.error, attempts=job.attempts
            )
            if held:  # otherwise the worker finished in the last moment
                document.status = "queued"
            return held


def _bury(session: Session, document: Document, job_id: int, holder: str, failure: Failure) -> bool:
    """Ends a job for good; its document stays visible with the reason and can be retried or deleted."""
    held = repository.set_dead(session, job_id, holder, failure.as_error())
    if held:
        document.status, document.error = "failed", failure.as_error()
    return held


def _hold_collection(session: Session, job: LeasedJob) -> None:
    """Before the document, as its deletion does: passages that are stored refer to both."""
    if not collections.hold(session, job.owner_id, job.collection_id):
        raise LeaseLost(f"collection {job.collection_id} was deleted")


def _locked(session: Session, job: LeasedJob) -> Document:
    document = documents.lock(session, job.document_id)
    if document is None:
        raise LeaseLost(f"document {job.document_id} was deleted")
    return document


def _require(held: bool, job: LeasedJob) -> None:
    if not held:
        raise LeaseLost(f"job {job.job_id} is no longer held")
