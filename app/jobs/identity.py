"""Who holds a lease: host, process and its start time, so that a dead holder is recognised at once.

A lease also expires by itself; this only spares the wait when the worker ran on the same host.
"""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import psutil

START_TOLERANCE_S = 1.0  # the kernel's clock tick and rounding
START_TICKS_FIELD = 18  # of /proc/PID/stat, counted behind the state: ticks since boot, which no clock moves


def new_worker_id() -> str:
    """`host|pid|start|random`: unique even for two workers in one process."""
    pid = os.getpid()
    return f"{socket.gethostname()}|{pid}|{_started(pid):.2f}|{uuid.uuid4().hex[:8]}"


def is_gone(worker_id: str) -> bool:
    """Whether that worker certainly no longer runs; False when it cannot be known from here."""
    host, pid, started, _ = worker_id.split("|")
    if host != socket.gethostname():
        return False
    try:
        running_since = _started(int(pid))
    except psutil.NoSuchProcess:
        return True
    return abs(running_since - float(started)) > START_TOLERANCE_S


def _started(pid: int) -> float:
    """Seconds from boot to the start of the process, or its start time where there is no /proc.

    Raises psutil.NoSuchProcess, also for one that has ended and waits to be collected.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return float(psutil.Process(pid).create_time())
    state, *fields = stat.rpartition(")")[2].split()
    if state in "ZX":
        raise psutil.NoSuchProcess(pid)
    return int(fields[START_TICKS_FIELD]) / os.sysconf("SC_CLK_TCK")
