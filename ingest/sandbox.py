"""Runs one task of ingest in a child process with limits, so that no file can hurt the service.

Format libraries are native code that files are made to break. The child has its own process group, session,
home and temporary folder, an address-space limit and a clock; whatever it does, the parent gets a result or
a ParseFailure.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ingest.early import batch_path
from ingest.failures import ParseFailure
from ingest.types import ParseLimits

TASK_FILE: Final = "task.json"
FAILURE_FILE: Final = "failure.json"
PROGRESS_FD_KEY: Final = "progress_fd"
PASSWORD_VARIABLE: Final = "FOOTNOTE_FILE_PASSWORD"
_PASSED_ON: Final = ("TESSDATA_PREFIX",)  # where an administrator put Tesseract's language packs
PARENT_KEY: Final = "parent_pid"
DISK_FULL: Final = 28  # exit status of a child that had no room for its result
_SOURCE_ROOT: Final = Path(__file__).resolve().parents[1]
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

    A password goes through the child's environment, never into a file.
    Raises ParseFailure: the child's own, or `parse_timeout`, `parse_memory`, `parse_crashed`,
    `parse_disk_full`. Whatever `on_page` and `on_batch` raise ends the child and passes through.
    """
    with tempfile.TemporaryDirectory(prefix="footnote-parse-", dir=place) as name:
        folder = Path(name)
        read_fd, write_fd = os.pipe()
        try:
            child = _start(task, folder, limits, write_fd, password)
        finally:
            os.close(write_fd)
        try:
            page = _watch(child, read_fd, limits.timeout_s, _News(folder, on_page, on_batch))
        finally:
            _end(child)
            os.close(read_fd)
        _raise_failure(child.returncode, folder, limits, page)
        yield folder


def _start(
    task: dict[str, Any], folder: Path, limits: ParseLimits, write_fd: int, password: str | None
) -> subprocess.Popen[bytes]:
    content = {
        **task,
        PROGRESS_FD_KEY: write_fd,
        PARENT_KEY: os.getpid(),
        "timeout_s": limits.timeout_s,
        "memory_bytes": limits.memory_bytes,
    }
    (folder / TASK_FILE).write_text(json.dumps(content), encoding="utf-8")
    with (folder / "stderr.txt").open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "ingest.child", str(folder)],
            cwd=folder,
            env=_environment(folder, password),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=(write_fd,),
            start_new_session=True,
        )


def _environment(folder: Path, password: str | None) -> dict[str, str]:
    """A small environment: no secrets of the service, one thread, nothing written outside `folder`."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": str(_SOURCE_ROOT),
        "PYTHONUTF8": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of the address space, used or not
        "TOKIO_WORKER_THREADS": "2",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
        **passed_on,
        **({} if password is None else {PASSWORD_VARIABLE: password}),
    }


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


def _watch(child: subprocess.Popen[bytes], read_fd: int, timeout_s: float, news: _News) -> int | None:
    """Pass the child's news on until it ends or its time is up; returns the page it was at.

    The caller may work on early pages meanwhile: what the child did in that time is heard first, and its own
    clock ends it too.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        ready, _, _ = select.select([read_fd], [], [], min(max(left, 0.01), _NEWS_INTERVAL_S))
        if ready:
            data = os.read(read_fd, 65_536)
            if not data:  # the child closed its end: it is finished
                _wait(child, deadline)
                return news.page
            news.add(data)
        elif child.poll() is not None:  # ended, though something that it started holds the pipe
            return news.page
        elif left <= 0:
            cause = f"Reading the file took longer than {timeout_s:g} seconds."
            raise ParseFailure("parse_timeout", cause, page=news.page)
        news.pass_on()


def _wait(child: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        child.wait(max(deadline - time.monotonic(), 1.0))
    except subprocess.TimeoutExpired as error:
        raise ParseFailure("parse_timeout", "Reading the file did not come to an end in time.") from error


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started; harmless when it has ended."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)  # not reaped yet, so the group id is still its own
        child.wait()


def _raise_failure(return_code: int, folder: Path, limits: ParseLimits, page: int | None) -> None:
    failure_file = folder / FAILURE_FILE
    if failure_file.exists():
        failure = json.loads(failure_file.read_text(encoding="utf-8"))
        raise ParseFailure(failure["code"], failure["cause"], failure["next_step"], page=failure["page"])
    if return_code == 0:
        return
    if return_code == DISK_FULL:
        raise ParseFailure("parse_disk_full", "There was no room for the text of the file.")
    stderr = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
    if any(sign in stderr.lower() for sign in _OUT_OF_MEMORY):
        raise ParseFailure(
            "parse_memory",
            f"Reading the file needs more memory than {limits.memory_bytes:,} bytes.",
            page=page,
        )
    if return_code == -signal.SIGALRM:
        raise ParseFailure(
            "parse_timeout", f"Reading the file took longer than {limits.timeout_s:g} seconds.", page=page
        )
    last_line = stderr.strip().rsplit("\n", 1)[-1][:300] or f"exit status {return_code}"
    cause = f"The program that reads this format broke down ({last_line})."
    raise ParseFailure("parse_crashed", cause, page=page)
