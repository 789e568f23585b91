"""Who holds a lease: host, process and its start time, so that a dead holder is recognised at once.

A lease also expires by itself; this only spares the wait when the worker ran on the same host.
"""

from __future__ import annotations

import os
import socket
import uuid

import psutil

START_TOLERANCE_S = 1.0  # the kernel's clock tick and rounding


def new_worker_id() -> str:
    """`host|pid|start|random`: unique even for two workers in one process."""
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}|{os.getpid()}|{started:.2f}|{uuid.uuid4().hex[:8]}"


def is_gone(worker_id: str) -> bool:
    """Whether that worker certainly no longer runs; False when it cannot be known from here."""
    host, pid, started, _ = worker_id.split("|")
    if host != socket.gethostname():
        return False
    try:
        running_since = float(psutil.Process(int(pid)).create_time())
    except psutil.NoSuchProcess:
        return True
    return abs(running_since - float(started)) > START_TOLERANCE_S
