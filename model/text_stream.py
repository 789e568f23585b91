"""Tokens' bytes to text that can be shown at once: whole characters only, and never a part of a stop text."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """The text of one sequence as it grows; what might turn out to be a stop text is held back."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = stop
        self._held = ""
        self.stopped = False  # a stop text was met; nothing more will come

    def push(self, piece: bytes) -> str:
        """The text that is certain now; once a stop text is met, the rest before it."""
        return self._release(self._decoder.decode(piece))

    def finish(self) -> str:
        """The text still held back when generation ends; an unfinished character becomes U+FFFD."""
        certain = self._release(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        return certain + held

    def _release(self, new: str) -> str:
        if self.stopped:
            return ""
        text = self._held + new
        met = [index for stop in self._stop if (index := text.find(stop)) >= 0]
        if met:
            self._held, self.stopped = "", True
            return text[: min(met)]
        keep = max((_overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if stop.startswith(text[-size:])), 0)
