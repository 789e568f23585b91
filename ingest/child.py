"""The child process of `ingest.sandbox`: limits itself, runs one task, leaves its result in a folder.

Run as `python -m ingest.child FOLDER`; the folder holds the task, and afterwards the result or the failure.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ingest.failures import ParseFailure
from ingest.sandbox import (
    DISK_FULL,
    FAILURE_FILE,
    PARENT_KEY,
    PASSWORD_VARIABLE,
    PROGRESS_FD_KEY,
    TASK_FILE,
)
from ingest.types import ParseLimits

_GRACE_S: Final = 5.0  # the parent's clock should win; this one is for a parent that died
_MAX_RESULT_BYTES: Final = 2 * 1024**3
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Run the task described in the folder named by the first argument."""
    folder = Path(sys.argv[1])
    task = json.loads((folder / TASK_FILE).read_text(encoding="utf-8"))
    _die_with_parent(task[PARENT_KEY])
    _limit_self(task["memory_bytes"], task["timeout_s"] + _GRACE_S)
    try:
        _TASKS[task["task"]](task, folder)
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
        os._exit(DISK_FULL)
    os._exit(0)  # the result is on disk; native libraries may still crash while they take themselves down


def _is_disk_full(error: OSError) -> bool:
    """numpy tells of a short write in words only."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or "requested and" in str(error)


def _die_with_parent(parent: int) -> None:
    """A worker that is killed takes its parser with it, where the kernel offers that (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _limit_self(memory_bytes: int, timeout_s: float) -> None:
    """Limits that hold in native code too; the default action of SIGALRM ends the process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_RESULT_BYTES, _MAX_RESULT_BYTES))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    signal.setitimer(signal.ITIMER_REAL, timeout_s)


def _parse(task: dict[str, Any], folder: Path) -> None:
    from ingest.early import EarlyPages
    from ingest.parsers.registry import parse_source  # after the limits: imports count too
    from ingest.sniff import identify
    from ingest.wire import save_parsed

    early = EarlyPages(folder, task[PROGRESS_FD_KEY])
    limits = ParseLimits(**task["limits"])
    source = identify(Path(task["path"]), task["file_name"], limits, early.report)
    source = replace(source, password=_password(), early_page=early.add)
    save_parsed(parse_source(source), folder)


def _render(task: dict[str, Any], folder: Path) -> None:
    from ingest.parsers.pdf_image import render_png

    path = Path(task["path"])
    image = render_png(path, task["page_number"], task["scale"], task["boxes"], _password())
    (folder / "page.png").write_bytes(image)


def _password() -> str | None:
    """The file's password, taken out of the environment before any other program could see it."""
    return os.environ.pop(PASSWORD_VARIABLE, None)


_TASKS: Final = {"parse": _parse, "render": _render}

if __name__ == "__main__":
    main()
