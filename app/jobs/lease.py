"""Keeps a lease alive from its own thread while the work runs, and tells the work when it must stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import TracebackType

from sqlalchemy.exc import DBAPIError

from app.jobs.failures import Failure
from app.jobs.queue import JobQueue
from app.jobs.types import LeasedJob, LeaseLost, WorkerStopping
from app.jobs.watchdog import Watchdog

log = logging.getLogger(__name__)

BEATS_PER_LEASE = 3
LOOK_INTERVAL_S = 1.0  # how often the watchdog is asked
SEIZED_GRACE_S = 60.0  # longer than one heartbeat waits for a locked database

GiveUp = Callable[[LeasedJob, Failure], None]
"""Ends a job whose worker cannot be stopped in any other way; need not return."""


class Lease:
    """`with Lease(...) as lease:` sends heartbeats; `lease.check()` raises once the work is pointless.

    Native code that never lets go of the interpreter stops heartbeats and watchdog as well. Where the process
    may be given up, a timer of the kernel, set anew at every look, then ends it by SIGALRM; whoever reaps
    next takes the job back at once.
    """

    def __init__(
        self,
        queue: JobQueue,
        job: LeasedJob,
        stop: threading.Event,
        watchdog: Watchdog | None = None,
        give_up: GiveUp | None = None,
    ) -> None:
        self._queue = queue
        self._job = job
        self._stop = stop
        self._watchdog = watchdog
        self._give_up = give_up
        self._finished = threading.Event()
        self._lost: LeaseLost | None = None
        self._thread = threading.Thread(target=self._beat, name=f"lease-{job.job_id}", daemon=True)

    def check(self) -> None:
        """Raises LeaseLost or WorkerStopping."""
        if self._lost is not None:
            raise self._lost
        if self._stop.is_set():
            raise WorkerStopping

    def note(self, stage: str, done: int) -> None:
        """The work made a step."""
        if self._watchdog is not None:
            self._watchdog.note(stage, done)

    def __enter__(self) -> Lease:
        self._arm()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finished.set()
        self._thread.join()
        if self._may_end:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    @property
    def _may_end(self) -> bool:
        return self._watchdog is not None and self._give_up is not None

    def _arm(self) -> None:
        """Until the next look; its clock stands still while the machine sleeps, and no set time moves it."""
        if self._watchdog is not None and self._may_end:
            signal.setitimer(signal.ITIMER_REAL, self._watchdog.silent_s + SEIZED_GRACE_S)

    def _beat(self) -> None:
        interval_s = self._queue.lease_s / BEATS_PER_LEASE
        expires = time.monotonic() + self._queue.lease_s
        due = time.monotonic() + interval_s
        while self._lost is None and not self._finished.wait(min(interval_s, LOOK_INTERVAL_S)):
            self._look()
            if time.monotonic() < due:
                continue
            due = time.monotonic() + interval_s
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

    def _look(self) -> None:
        """Work that hangs never asks `check`: only from here can it be given up."""
        self._arm()
        if self._watchdog is None or self._give_up is None:
            return
        failure = self._watchdog.verdict()
        if failure is not None:
            self._give_up(self._job, failure)
