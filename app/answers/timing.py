"""How long each step of an answer took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.answers.types import Draft


@contextmanager
def timed(draft: Draft, name: str) -> Iterator[None]:
    started = time.perf_counter()
    draft.starts_ms[name] = (started - draft.begun) * 1000
    try:
        yield
    finally:
        draft.timings_ms[name] = (time.perf_counter() - started) * 1000
