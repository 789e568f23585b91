"""A thread of the API process that works off queued runs, one at a time; answers for people go first."""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import DBAPIError

from app.evals.runs import repository
from app.evals.runs.execution import execute
from app.jobs.identity import new_worker_id
from app.services import Services

log = logging.getLogger(__name__)

POLL_S = 5.0  # for runs that another process queued
YIELD_S = 0.05
LONGEST_YIELD_S = 20.0  # a question of a run is asked after this, however busy the chat is


class EvalRunner:
    """`start` it after the services are built, `stop` it before they are closed; `wake` it for a new run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._holder = new_worker_id()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="eval-runner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def use(self, services: Services) -> None:
        """Services that take the place of those in use, from the next question on."""
        self._services = services

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Ends after the question that is being asked; the run shows as interrupted and can be resumed."""
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                run_id = self._take()
                if run_id is not None:
                    execute(
                        self._services, run_id, self._holder, self._stop.is_set, lambda *_: None, self._yield
                    )
                    continue
            except DBAPIError:
                log.exception("the database refused the eval runner, trying again")
            self._wake.wait(POLL_S)

    def _take(self) -> int | None:
        """The next run, now ours; also tidies up after processes that died. An idle runner only reads."""
        with self._services.sessions() as session:
            abandoned = repository.any_abandoned(session)
            run_id = repository.next_queued(session)
        if not abandoned and run_id is None:
            return None
        with self._services.sessions.begin() as session:
            if abandoned:
                repository.mark_interrupted(session)
            return run_id if run_id is not None and repository.take(session, run_id, self._holder) else None

    def _yield(self) -> None:
        """Lets answers that people wait for go first."""
        give_up = time.monotonic() + LONGEST_YIELD_S
        while self._services.running.busy and not self._stop.is_set() and time.monotonic() < give_up:
            time.sleep(YIELD_S)
