"""Threads worth starting here; `model.device`, which may import nothing of ours, says the same."""

from __future__ import annotations

import math
import os
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of this container (Linux, "Control Group v2": cpu.max)


def usable_cores(quota: Path = CPU_QUOTA) -> int:
    """Cores that this process may run on, or as many as its container's quota pays for, if these are fewer.

    Threads beyond a quota use it up before its period ends, and then all stand still, those at a barrier too.
    """
    bound = len(os.sched_getaffinity(0))
    try:
        limit, period = quota.read_text().split()
        return bound if limit == "max" else min(bound, max(1, math.ceil(int(limit) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or none that we can read: no quota known
        return bound
