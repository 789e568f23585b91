"""Which leases have been silent for too long, by this process's own clock.

Wall clocks jump: machines suspend, time is set, hosts disagree. A lease is therefore judged by how long
this process has seen it unchanged, not by the time written in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from app.jobs.identity import is_gone
from app.tables import Job

Clock = Callable[[], float]
LeaseMark = tuple[str | None, datetime | None]


class SilenceWatch:
    """Remembers when it first saw each lease in its present form."""

    def __init__(self, lease_s: float, clock: Clock = time.monotonic) -> None:
        self._lease_s = lease_s
        self._clock = clock
        self._seen: dict[int, tuple[LeaseMark, float]] = {}

    def abandoned(self, running: Sequence[Job]) -> list[Job]:
        """Those whose holder certainly ended, or gave no heartbeat since we first looked, `lease_s` ago."""
        now_s = self._clock()
        self._seen = {job.id: self._first_seen(job, now_s) for job in running}
        return [job for job in running if self._is_abandoned(job, now_s)]

    def _first_seen(self, job: Job, now_s: float) -> tuple[LeaseMark, float]:
        mark = (job.leased_by, job.lease_expires_at)
        known = self._seen.get(job.id)
        return known if known is not None and known[0] == mark else (mark, now_s)

    def _is_abandoned(self, job: Job, now_s: float) -> bool:
        if job.leased_by is None or is_gone(job.leased_by):
            return job.leased_by is not None
        return now_s - self._seen[job.id][1] > self._lease_s
