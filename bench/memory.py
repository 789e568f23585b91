"""`footnote bench memory`: what the API process holds with all models loaded, nothing asked yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app.settings import PREFIX, Settings
from bench.measure import Figures
from bench.report import OURS, Row, row_of
from bench.session import BenchFailed, Session

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 600.0


def rows(session: Session) -> Iterator[Row]:
    """Resident memory at rest, and the most that loading took."""
    with session.scratch() as settings:
        results = session.compare({OURS: lambda _: _resident(settings)}, rounds=session.size(3, 1))
    yield row_of("api and models at rest, resident", "MB", results, 0)
    yield row_of("api and models, peak while loading", "MB", results, 1)


def _resident(settings: Settings) -> Figures:
    """Megabytes of a process that starts as the API does; raises BenchFailed with its last words."""
    kept = {name: value for name, value in os.environ.items() if name != f"{PREFIX}DATABASE_URL"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.resident"],
            env=kept | {f"{PREFIX}DATA_DIR": str(settings.data_dir), f"{PREFIX}DEVICE": settings.device},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchFailed(f"The process was not ready within {START_TIMEOUT_S:.0f} seconds.") from error
    if done.returncode:
        raise BenchFailed(f"The process ended with code {done.returncode}: {done.stderr[-500:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures["resident_bytes"] / 1e6, figures["peak_bytes"] / 1e6
