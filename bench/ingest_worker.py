"""A worker process as `footnote up` runs it, on a bench's own data folder, with its memory watched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.settings import PREFIX, Settings
from bench.session import BenchFailed

ROOT = Path(__file__).resolve().parent.parent
LOOK_EVERY_S = 0.05
TIMEOUT_S = 3600.0


@dataclass(slots=True)
class RunningWorker:
    """The process and the most memory it had."""

    process: subprocess.Popen[bytes]
    peak_bytes: int = 0  # resident, the parser's child not counted: it has its own limit

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait(self) -> None:
        """Until no job is left; raises BenchFailed when it fails or takes for ever."""
        give_up = time.monotonic() + TIMEOUT_S
        seen = psutil.Process(self.process.pid)
        while self.is_running:
            try:
                self.peak_bytes = max(self.peak_bytes, seen.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            if time.monotonic() > give_up:
                raise BenchFailed(f"The worker was not done within {TIMEOUT_S:.0f} seconds.")
            time.sleep(LOOK_EVERY_S)
        if self.process.wait() != 0:
            raise BenchFailed(f"The worker ended with code {self.process.returncode}.")


@contextmanager
def ingest_worker(settings: Settings) -> Iterator[RunningWorker]:
    """`footnote worker --until-idle` at its low priority; ended on leaving."""
    kept = {name: value for name, value in os.environ.items() if name != f"{PREFIX}DATABASE_URL"}
    told = {"DATA_DIR": str(settings.data_dir), "DEVICE": settings.device, "LOG_LEVEL": "ERROR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "worker", "--until-idle", "--count", "1"],
        env=kept | {PREFIX + name: value for name, value in told.items()},
        cwd=ROOT,
    )
    try:
        yield RunningWorker(process)
    finally:
        process.terminate()
        process.wait()
