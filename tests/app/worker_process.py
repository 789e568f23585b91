"""A worker process for tests: real queue, real pipeline, a fake encoder that can be made to hang.

`python -m tests.app.worker_process DATA_DIR DATABASE_URL STAGE MARK`: when the pipeline reaches STAGE the
file MARK appears and the process sleeps, so that the test can kill it right there. STAGE `none` runs on,
`commit` hangs inside the open transaction, after everything has been written.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from app.db import create_engine
from app.documents import index_log
from app.documents.blobs import BlobStore
from app.jobs.progress import ProgressReporter
from app.jobs.worker import run_worker
from app.settings import Settings, load_settings
from ingest.types import Stage
from tests.fakes import fake_ingest_models

LONGER_THAN_ANY_TEST_S = 600


def worker_settings(data_dir: Path) -> Settings:
    """Short times, small chunks."""
    return load_settings(
        {}, data_dir=data_dir, lease_s=2.0, poll_interval_s=0.05, retry_backoff_s=0.0, chunk_tokens=32
    )


def main(data_dir: str, url: str, stage: str, mark: str) -> None:
    settings = worker_settings(Path(data_dir))
    _hang_at(stage, Path(mark))
    run_worker(
        settings,
        create_engine(url),
        BlobStore(settings.data_dir / "blobs"),
        fake_ingest_models(),
        stop=threading.Event(),
        until_idle=stage == "none",
    )


def _hang_at(stage: str, mark: Path) -> None:
    def hang() -> None:
        mark.touch()
        time.sleep(LONGER_THAN_ANY_TEST_S)

    if stage == "commit":
        append = index_log.append

        def append_and_hang(*arguments: object) -> None:
            append(*arguments)  # type: ignore[arg-type]
            hang()

        index_log.append = append_and_hang  # type: ignore[assignment]
        return
    write = ProgressReporter.__call__

    def write_and_hang(self: ProgressReporter, current: Stage, done: int, total: int) -> None:
        write(self, current, done, total)
        if current == stage:
            hang()

    ProgressReporter.__call__ = write_and_hang  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
