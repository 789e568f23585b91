"""Reads of sites that this process does right now, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.jobs.identity import new_worker_id

log = logging.getLogger(__name__)

END_S = 10.0  # longest wait for the threads when the process ends

Work = Callable[[threading.Event], None]
"""Reads until the end, or until the event is set."""


class RunningReads:
    """By id of their row, which says everything else; a read of another process is stopped by its row."""

    def __init__(self) -> None:
        self.holder = new_worker_id()  # stored with each read, so that others see when this process died
        self._running: dict[int, tuple[threading.Event, threading.Thread]] = {}
        self._lock = threading.Lock()

    def start(self, read_id: int, work: Work) -> None:
        """Runs the work; it has to end by itself soon after its event is set."""
        stop = threading.Event()
        thread = threading.Thread(
            target=self._work, args=(read_id, work, stop), name=f"site-read-{read_id}", daemon=True
        )
        with self._lock:
            self._running[read_id] = stop, thread
        thread.start()

    def stop(self, read_id: int) -> None:
        """Ends the read if this process does it."""
        with self._lock:
            running = self._running.get(read_id)
        if running is not None:
            running[0].set()

    def stop_all(self) -> None:
        """Ends all and waits for them."""
        with self._lock:
            running = list(self._running.values())
        for stop, _ in running:
            stop.set()
        for _, thread in running:
            thread.join(END_S)

    def _work(self, read_id: int, work: Work, stop: threading.Event) -> None:
        try:
            work(stop)
        except Exception:  # the row stays as it was: it is interrupted once its lease has run out
            log.exception("the end of site read %d could not be stored", read_id)
        finally:
            with self._lock:
                del self._running[read_id]
