"""Events received in a thread of their own, so that the page stays able to react while none comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ui.client import ApiError

TICK_S = 0.1  # how long a click waits at most while nothing arrives

Event = TypeVar("Event")
End = ApiError | None  # None: the last event has come


def batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Everything that has arrived since the last batch, several words at once on a slow page; empty after
    a tick without any. Raises the ApiError that the events end with, after what came before it.

    Left early, the thread hears the answer out: that ends with the answer, and nobody waits for it.
    """
    received: queue.SimpleQueue[Event | End] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(events, received), daemon=True).start()
    end: list[End] = []
    while not end:
        batch: list[Event] = []
        for each in available(received):
            if each is None or isinstance(each, ApiError):
                end.append(each)
            else:
                batch.append(each)
        yield batch
    if end[0] is not None:
        raise end[0]


def receive(events: Iterable[Event], received: queue.SimpleQueue[Event | End]) -> None:
    """Puts every event, and how they end, into the queue."""
    try:
        for event in events:
            received.put(event)
        received.put(None)
    except ApiError as error:
        received.put(error)


def available(received: queue.SimpleQueue[Event | End]) -> list[Event | End]:
    """Waits for one tick at most, then takes what is there."""
    taken: list[Event | End] = []
    try:
        taken.append(received.get(timeout=TICK_S))
        while True:
            taken.append(received.get_nowait())
    except queue.Empty:
        return taken
