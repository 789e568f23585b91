"""Events received in a thread of their own, so that the page stays able to react while none comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

TICK_S = 0.1  # how long a click waits at most while nothing arrives

Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Ended:
    """What comes after the last event."""

    error: Exception | None = None


def batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Everything that has arrived since the last batch, several words at once on a slow page; empty after
    a tick without any. Raises what the events end with, after what came before it.

    Left early, and even before the first batch is taken, the thread hears the answer out: that ends with the
    answer and gives its connection back, and nobody waits for it.
    """
    received: queue.SimpleQueue[Event | Ended] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(events, received), daemon=True).start()
    return taken_from(received)


def taken_from(received: queue.SimpleQueue[Event | Ended]) -> Iterator[list[Event]]:
    """Batches of what comes into the queue, up to its end."""
    while True:
        taken = available(received)
        yield [each for each in taken if not isinstance(each, Ended)]
        for each in taken:
            if isinstance(each, Ended):
                if each.error is not None:
                    raise each.error
                return


def receive(events: Iterable[Event], received: queue.SimpleQueue[Event | Ended]) -> None:
    """Puts every event, and how they end, into the queue."""
    try:
        for event in events:
            received.put(event)
        received.put(Ended())
    except Exception as error:  # noqa: BLE001 - raised again where it is seen, in the page's own thread
        received.put(Ended(error))


def available(received: queue.SimpleQueue[Event | Ended]) -> list[Event | Ended]:
    """Waits for one tick at most, then takes what is there."""
    taken: list[Event | Ended] = []
    try:
        taken.append(received.get(timeout=TICK_S))
        while True:
            taken.append(received.get_nowait())
    except queue.Empty:
        return taken
