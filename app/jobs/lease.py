"""Keeps a lease alive from its own thread while the work runs, and tells the work when it must stop."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from app.jobs.queue import JobQueue
from app.jobs.types import LeasedJob, LeaseLost, WorkerStopping

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 3


class Lease:
    """`with Lease(...) as lease:` sends heartbeats; `lease.check()` raises once the work is pointless."""

    def __init__(self, queue: JobQueue, job: LeasedJob, stop: threading.Event) -> None:
        self._queue = queue
        self._job = job
        self._stop = stop
        self._finished = threading.Event()
        self._lost: LeaseLost | None = None
        self._thread = threading.Thread(target=self._beat, name=f"lease-{job.job_id}", daemon=True)

    def check(self) -> None:
        """Raises LeaseLost or WorkerStopping."""
        if self._lost is not None:
            raise self._lost
        if self._stop.is_set():
            raise WorkerStopping

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finished.set()
        self._thread.join()

    def _beat(self) -> None:
        expires = time.monotonic() + self._queue.lease_s
        while self._lost is None and not self._finished.wait(self._queue.lease_s / BEATS_PER_LEASE):
            try:
                self._queue.heartbeat(self._job)
                expires = time.monotonic() + self._queue.lease_s
            except LeaseLost as error:
                self._lost = error
            except DBAPIError as error:  # the database may come back before the lease ends
                log.warning("job %d: heartbeat failed: %s", self._job.job_id, error)
                if time.monotonic() > expires:
                    self._lost = LeaseLost(
                        f"job {self._job.job_id}: no heartbeat for {self._queue.lease_s} s"
                    )
