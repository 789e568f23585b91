"""Which answers are being written right now, so that a person can stop one. In memory, this process only."""

from __future__ import annotations

import threading

from app.errors import Overloaded


class RunningAnswers:
    """Cancel flags by message id."""

    def __init__(self) -> None:
        self._flags: dict[int, threading.Event] = {}
        self._lock = threading.Lock()

    def check_room(self, most: int) -> None:
        """Raise Overloaded when as many answers are being written already: before a question is saved."""
        running = len(self._flags)
        if running >= most:
            raise Overloaded(f"{running} answers are being written already.")

    def start(self, message_id: int) -> threading.Event:
        """The flag that the answer's loop watches."""
        flag = threading.Event()
        with self._lock:
            self._flags[message_id] = flag
        return flag

    def finish(self, message_id: int) -> None:
        with self._lock:
            self._flags.pop(message_id, None)

    def cancel(self, message_id: int) -> bool:
        """True when the answer was running and has been told to stop."""
        with self._lock:
            flag = self._flags.get(message_id)
        if flag is not None:
            flag.set()
        return flag is not None

    def cancel_all(self) -> None:
        with self._lock:
            flags = list(self._flags.values())
        for flag in flags:
            flag.set()
