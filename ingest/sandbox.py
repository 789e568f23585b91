"""Runs one task of ingest in a child process with limits, so that no file can hurt the service.

Format libraries are native code that files are made to break. The child has its own process group, session,
home and temporary folder, an address-space limit and a clock; whatever it does, the parent gets a result or
a ParseFailure. It is forked by a clean helper process (`ingest.fork_server`), never by the service itself.
"""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ingest.children import Child, base_environment, start_child
from ingest.early import batch_path
from ingest.failures import ParseFailure
from ingest.types import ParseLimits

FAILURE_FILE: Final = "failure.json"
STDERR_FILE: Final = "stderr.txt"
DISK_FULL: Final = 28  # exit status of a child that had no room for its result
_NEWS_INTERVAL_S: Final = 1.0  # the caller is asked this often whether to go on, news or not
_OUT_OF_MEMORY: Final = ("memoryerror", "memory allocation", "bad_alloc", "cannot allocate", "failed to map")

PageProgress = Callable[[int, int], None]
BatchReady = Callable[[Path, int], None]
"""Called with a batch of early pages and the number of all pages."""


def no_batches(_path: Path, _total: int) -> None:
    """For tasks without pages."""


@contextmanager
def run_in_child(
    task: dict[str, Any],
    limits: ParseLimits,
    on_page: PageProgress,
    password: str | None = None,
    *,
    on_batch: BatchReady = no_batches,
    place: Path | None = None,
) -> Iterator[Path]:
    """Run `task` in a child; gives the folder with its results, made in `place` and removed on leaving.

    A password goes over the child's socket, never into a file, an environment or another process.
    Raises ParseFailure: the child's own, or `parse_timeout`, `parse_memory`, `parse_crashed`,
    `parse_disk_full`. Whatever `on_page` and `on_batch` raise ends the child and passes through.
    """
    with tempfile.TemporaryDirectory(prefix="footnote-parse-", dir=place) as name:
        folder = Path(name)
        deadline = time.monotonic() + limits.timeout_s
        child = _start({**task, "password": password}, folder, limits, deadline)
        news = _News(folder, on_page, on_batch)
        try:
            while child.status is None:
                _pass_on_news(child, news, limits, deadline)
        finally:
            child.end()
        _raise_failure(child.status, folder, limits, news.page)
        yield folder


def _start(task: dict[str, Any], folder: Path, limits: ParseLimits, deadline: float) -> Child:
    request = {
        **task,
        "folder": str(folder),
        "environment": {**base_environment(), "HOME": str(folder), "TMPDIR": str(folder)},
        "timeout_s": limits.timeout_s,
        "memory_bytes": limits.memory_bytes,
    }
    with (folder / STDERR_FILE).open("wb") as stderr:
        try:
            return start_child(request, stderr.fileno(), deadline)
        except TimeoutError as error:
            raise _timeout(limits, None) from error


class _News:
    """What the child says on its pipe: lines of "pages done, pages in all, batches of early pages"."""

    def __init__(self, folder: Path, on_page: PageProgress, on_batch: BatchReady) -> None:
        self._folder = folder
        self._on_page = on_page
        self._on_batch = on_batch
        self._rest = b""
        self._batches = 0
        self._counts = (0, 0, 0)

    @property
    def page(self) -> int | None:
        """The page that is being read, as far as it is known."""
        done, total, _ = self._counts
        return min(done + 1, total) if total else None

    def add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            done, total, batches = map(int, lines[-1].split())
            self._counts = (done, total, batches)

    def pass_on(self) -> None:
        """Told at least every _NEWS_INTERVAL_S, news or not, so that the caller can stop the work."""
        done, total, batches = self._counts
        self._on_page(done, total)
        while self._batches < batches:
            self._batches += 1
            self._on_batch(batch_path(self._folder, self._batches), total)


def _pass_on_news(child: Child, news: _News, limits: ParseLimits, deadline: float) -> None:
    """Hear the child for a moment, and let the caller know.

    The caller may work on early pages meanwhile: what the child did in that time is heard first, and its own
    clock ends it too.
    """
    left = deadline - time.monotonic()
    data = child.hear(min(max(left, 0.01), _NEWS_INTERVAL_S))
    if data:
        news.add(data)
    elif left <= 0 and child.status is None:
        raise _timeout(limits, news.page)
    news.pass_on()


def _timeout(limits: ParseLimits, page: int | None) -> ParseFailure:
    cause = f"Reading the file took longer than {limits.timeout_s:g} seconds."
    return ParseFailure("parse_timeout", cause, page=page)


def _raise_failure(status: int | None, folder: Path, limits: ParseLimits, page: int | None) -> None:
    failure_file = folder / FAILURE_FILE
    if failure_file.exists():
        failure = json.loads(failure_file.read_text(encoding="utf-8"))
        raise ParseFailure(failure["code"], failure["cause"], failure["next_step"], page=failure["page"])
    if status == 0:
        return
    if status == DISK_FULL:
        raise ParseFailure("parse_disk_full", "There was no room for the text of the file.")
    stderr = (folder / STDERR_FILE).read_text(encoding="utf-8", errors="replace")
    if any(sign in stderr.lower() for sign in _OUT_OF_MEMORY):
        raise ParseFailure(
            "parse_memory",
            f"Reading the file needs more memory than {limits.memory_bytes:,} bytes.",
            page=page,
        )
    if status == -signal.SIGALRM:
        raise _timeout(limits, page)
    last_line = stderr.strip().rsplit("\n", 1)[-1][:300] or f"exit status {status}"
    cause = f"The program that reads this format broke down ({last_line})."
    raise ParseFailure("parse_crashed", cause, page=page)
