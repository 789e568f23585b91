"""Events received in a thread of their own, so that the page stays able to react while none comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from ui.client import ApiError
from ui.schemas import AskEvent

TICK_S = 0.1  # how long a click waits at most while nothing arrives

Received = AskEvent | ApiError | None  # None: the end


def batches(events: Iterable[AskEvent]) -> Iterator[list[AskEvent]]:
    """Everything that has arrived since the last batch, several words at once on a slow page; empty after
    a tick without any. Raises the ApiError that the events end with.

    Left early, the thread hears the answer out: that ends with the answer, and nobody waits for it.
    """
    received: queue.SimpleQueue[Received] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(events, received), daemon=True).start()
    ended = False
    while not ended:
        batch: list[AskEvent] = []
        for each in available(received):
            if isinstance(each, ApiError):
                raise each
            if each is None:
                ended = True
            else:
                batch.append(each)
        yield batch


def receive(events: Iterable[AskEvent], received: queue.SimpleQueue[Received]) -> None:
    """Puts every event, and how they end, into the queue."""
    try:
        for event in events:
            received.put(event)
        received.put(None)
    except ApiError as error:
        received.put(error)


def available(received: queue.SimpleQueue[Received]) -> list[Received]:
    """Waits for one tick at most, then takes what is there."""
    taken: list[Received] = []
    try:
        taken.append(received.get(timeout=TICK_S))
        while True:
            taken.append(received.get_nowait())
    except queue.Empty:
        return taken
