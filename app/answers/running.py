"""Answers that are being written right now: listened to, and stopped. In memory, this process only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from app.errors import AppError, Overloaded
from app.jobs.identity import new_worker_id

StreamEvent = tuple[str, dict[str, Any]]
"""(event name, data) as the stream sends it; the last one is `done` or `error`."""

LAST_EVENTS = frozenset({"done", "error"})
LOOK_S = 0.01  # a listener looks this often: no thread is held for it, and nobody reads faster


def error_event(error: AppError) -> StreamEvent:
    """The last event of what failed: the body of the error, and its status."""
    return "error", error.body().model_dump() | {"status_code": error.status_code}


class EventLog:
    """Everything an answer has told so far: whoever comes late hears it from the beginning."""

    def __init__(self) -> None:
        self._events: list[StreamEvent] = []
        self._changed = threading.Condition()

    def put(self, event: StreamEvent) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def follow(self) -> Iterator[StreamEvent]:
        """Every event until the last one; blocks the thread between them."""
        position = 0
        while True:
            with self._changed:
                while position == len(self._events):
                    self._changed.wait()
            event = self._events[position]
            position += 1
            yield event
            if event[0] in LAST_EVENTS:
                return

    async def listen(self) -> AsyncIterator[StreamEvent]:
        """The same, for the event loop."""
        position = 0
        while True:
            while position == len(self._events):
                await asyncio.sleep(LOOK_S)
            event = self._events[position]
            position += 1
            yield event
            if event[0] in LAST_EVENTS:
                return


@dataclass(frozen=True, slots=True)
class Running:
    """One answer in the making."""

    stop: threading.Event = field(default_factory=threading.Event)
    log: EventLog = field(default_factory=EventLog)


class RunningAnswers:
    """Answers in the making by message id."""

    def __init__(self) -> None:
        self.writer = new_worker_id()  # stored with each question, so that others see when this process died
        self._running: dict[int, Running] = {}
        self._lock = threading.Lock()

    def check_room(self, most: int) -> None:
        """Raise Overloaded when as many answers are being written already: before a question is saved."""
        running = len(self._running)
        if running >= most:
            raise Overloaded(f"{running} answers are being written already.")

    @property
    def busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._running)

    def start(self, message_id: int) -> Running:
        """The flag that the answer's loop watches, and the log that it writes."""
        running = Running()
        with self._lock:
            self._running[message_id] = running
        return running

    def find(self, message_id: int) -> Running | None:
        """The answer if this process is writing it."""
        with self._lock:
            return self._running.get(message_id)

    def finish(self, message_id: int) -> None:
        with self._lock:
            self._running.pop(message_id, None)

    def cancel(self, message_id: int) -> bool:
        """True when the answer was running and has been told to stop."""
        running = self.find(message_id)
        if running is not None:
            running.stop.set()
        return running is not None

    def cancel_all(self) -> None:
        with self._lock:
            running = list(self._running.values())
        for each in running:
            each.stop.set()
