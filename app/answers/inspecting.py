"""Replay and influence while they run, each in a thread of its own: how far they are, and a way to stop them.

In memory, this process only: nothing of them is stored, so one that is lost is asked for again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from pydantic import BaseModel

from app.answers.running import EventLog, error_event
from app.errors import AppError, InternalError

log = logging.getLogger(__name__)

Tell = Callable[[str, int, int], None]
"""Told (stage, done, of how many)."""
Stopping = Callable[[], bool]
Work = Callable[[Tell, Stopping], BaseModel]
"""What is run: told what to tell and asked now and then whether to stop; raises InspectionStopped then."""


class InspectionStopped(AppError):
    """A person stopped a replay or the weighing of passages."""

    status_code = 409
    code = "inspection_stopped"
    stage = "generate"
    default_next_step = "Start it again."


def silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""


def never() -> bool:
    """Does not stop."""
    return False


def check_stop(stopping: Stopping) -> None:
    """Raises InspectionStopped once it is wanted."""
    if stopping():
        raise InspectionStopped("It was stopped.")


class Inspections:
    """Those that run now, by message."""

    def __init__(self) -> None:
        self._stops: dict[int, set[threading.Event]] = defaultdict(set)
        self._lock = threading.Lock()

    def run(self, message_id: int, work: Work) -> EventLog:
        """Starts it; the log tells `progress`..., then `done` with the result, or `error`.

        Another one of the same message is stopped: a page that was loaded anew has lost it.
        """
        self.cancel(message_id)
        stop, events = threading.Event(), EventLog()
        with self._lock:
            self._stops[message_id].add(stop)
        name = f"inspection-{message_id}"
        threading.Thread(
            target=self._work, args=(message_id, work, stop, events), name=name, daemon=True
        ).start()
        return events

    def cancel(self, message_id: int) -> bool:
        """True when one was running and has been told to stop."""
        with self._lock:
            stops = list(self._stops.get(message_id, ()))
        for stop in stops:
            stop.set()
        return bool(stops)

    def cancel_all(self) -> None:
        for message_id in list(self._stops):
            self.cancel(message_id)

    def _work(self, message_id: int, work: Work, stop: threading.Event, events: EventLog) -> None:
        began = time.perf_counter()

        def tell(stage: str, done: int, total: int) -> None:
            elapsed_s = round(time.perf_counter() - began, 3)
            progress = {"stage": stage, "done": done, "total": total, "elapsed_s": elapsed_s}
            events.put(("progress", progress))

        try:
            events.put(("done", work(tell, stop.is_set).model_dump(mode="json")))
        except AppError as error:
            events.put(error_event(error))
        except Exception:
            log.exception("the inspection of message %d failed", message_id)
            events.put(error_event(InternalError("The answer could not be inspected.")))
        finally:
            with self._lock:
                self._stops[message_id].discard(stop)
                if not self._stops[message_id]:
                    del self._stops[message_id]
