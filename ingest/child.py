"""The child process of `ingest.sandbox`: limits itself, runs one task, leaves its result in a folder.

Forked by `ingest.fork_server`, which has loaded the libraries. The request comes as one line of JSON on the
child's socket, and the news go back on it; afterwards the folder that it names holds the result or the
failure.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

from ingest.early import EarlyPages
from ingest.failures import ParseFailure
from ingest.parsers.registry import parse_source
from ingest.sandbox import DISK_FULL, FAILURE_FILE
from ingest.sniff import identify
from ingest.types import ParseLimits
from ingest.wire import save_parsed

_GRACE_S: Final = 5.0  # the parent's clock should win; this one is for a parent that died
_MAX_RESULT_BYTES: Final = 2 * 1024**3
_LEAST_ROOM_BYTES: Final = 1024**2
_PR_SET_PDEATHSIG: Final = 1


def run(channel: socket.socket, server: int) -> NoReturn:
    """Do what the request says, and end; `server` is the process that forked this one."""
    status = 1
    try:
        _die_with(server)
        os.setsid()
        status = _work(channel)
    except BaseException:  # noqa: BLE001  # nothing may get back into the server's loop
        sys.excepthook(*sys.exc_info())  # into the file that the parent reads
    finally:
        os._exit(status)  # native libraries may still crash while they take themselves down


def _work(channel: socket.socket) -> int:
    """Exit status of the task, once its result or failure is on disk."""
    task = _request(channel)
    folder = Path(task["folder"])
    _move_to(folder, task["environment"])
    _limit_self(task["memory_bytes"], task["timeout_s"] + _GRACE_S)
    try:
        _TASKS[task["task"]](task, folder, channel.fileno())
    except ParseFailure as failure:
        content = {
            "code": failure.code,
            "cause": failure.cause,
            "next_step": failure.next_step,
            "page": failure.page,
        }
        (folder / FAILURE_FILE).write_text(json.dumps(content), encoding="utf-8")
    except OSError as error:
        if not _is_disk_full(error):
            raise
        return DISK_FULL
    return 0


def _request(channel: socket.socket) -> dict[str, Any]:
    """Raises EOFError when the parent went away before it had said all."""
    data = b""
    while not data.endswith(b"\n"):
        more = channel.recv(65_536)
        if not more:
            raise EOFError("The parent left before it had said what to do.")
        data += more
    request: dict[str, Any] = json.loads(data)
    return request


def _move_to(folder: Path, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


def _is_disk_full(error: OSError) -> bool:
    """numpy tells of a short write in words only."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "requested and" in str(error)


def _die_with(server: int) -> None:
    """A server that is killed takes its children with it, where the kernel offers that (Linux).

    Elsewhere they end by their clock, or when their news find no reader.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it died before we asked
        os._exit(1)


def _limit_self(memory_bytes: int, timeout_s: float) -> None:
    """Limits that hold in native code too; the default action of SIGALRM ends the process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_RESULT_BYTES, _MAX_RESULT_BYTES))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    mmap.mmap(-1, _LEAST_ROOM_BYTES).close()  # fails here where the limit is below what is loaded already


def _parse(task: dict[str, Any], folder: Path, channel_fd: int) -> None:
    early = EarlyPages(folder, channel_fd)
    limits = ParseLimits(**task["limits"])
    source = identify(Path(task["path"]), task["file_name"], limits, early.report)
    source = replace(source, password=task["password"], early_page=early.add)
    save_parsed(parse_source(source), folder)


def _render(task: dict[str, Any], folder: Path, _channel_fd: int) -> None:
    from ingest.parsers.pdf_image import render_png  # few processes draw pages

    path = Path(task["path"])
    image = render_png(path, task["page_number"], task["scale"], task["boxes"], task["password"])
    (folder / "page.png").write_bytes(image)


_TASKS: Final = {"parse": _parse, "render": _render}
