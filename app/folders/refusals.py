"""Files of a folder that could not be taken: each is told once, and left alone for a while."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.folders.scanning import FileState

RETRY_S = 60.0  # by then a disk may have room again, or a file another permission


@dataclass(frozen=True, slots=True)
class Refusal:
    """Of a file as it looked then."""

    state: FileState
    reason: str
    until_s: float


class Refusals:
    """Kept in memory only: the next process may have other limits, and tries each file anew."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._refused: dict[str, Refusal] = {}

    def holds(self, path: str, state: FileState) -> bool:
        """Whether the file, as it looks now, is left alone for now."""
        refusal = self._refused.get(path)
        return refusal is not None and refusal.state == state and self._now_s() < refusal.until_s

    def note(self, path: str, state: FileState, reason: str, *, lasting: bool) -> bool:
        """Leaves the file alone for a while, `lasting` until it changes; False when that was told before."""
        before = self._refused.get(path)
        until_s = math.inf if lasting else self._now_s() + RETRY_S
        self._refused[path] = Refusal(state, reason, until_s)
        return before is None or (before.state, before.reason) != (state, reason)

    def forget(self, path: str) -> None:
        """The file was taken."""
        self._refused.pop(path, None)
