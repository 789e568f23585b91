"""`footnote bench many`: 10,000 small documents, the last tenth against the first.

Each is read by the worker's own code, parser child included, and taken in by the index as the API does it.
The full run takes a good quarter of an hour.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from app.documents.index_sync import catch_up
from app.documents.local import submit
from app.jobs.worker import Worker
from app.services import Services
from bench.ingest import services_for_ingest
from bench.report import OURS, Row, row_of
from bench.session import BenchFailed, Session
from bench.texts import prose

WORDS = 60
SHARE = 10  # the first and the last of so many parts are compared


def rows(session: Session) -> Iterator[Row]:
    """Documents a second over all, and how much slower the last tenth is than the first."""
    count = session.size(10_000, 60)
    with session.scratch() as settings:
        services = services_for_ingest(settings)
        try:
            seconds = _seconds_each(services, count)
        finally:
            services.close()
    part = count // SHARE
    first, last = sum(seconds[:part]), sum(seconds[-part:])
    yield row_of(f"{count:,} small documents", "documents/s", {OURS: [(count / sum(seconds),)]})
    yield row_of(f"the last {part:,} against the first {part:,}", "x", {OURS: [(last / first,)]})


def _seconds_each(services: Services, count: int) -> list[float]:
    """Wall time of each document, from its lease to the index; raises BenchFailed when one is not read."""
    worker = Worker(
        services.settings, services.sessions, services.blobs, services.models.ingest, stop=threading.Event()
    )
    file = services.settings.data_dir / "small.txt"
    seconds = []
    for number in range(count):
        file.write_text(f"Note {number}\n\n{prose(WORDS, 'small', number)}", encoding="utf-8")
        submit(services, "Bench", file, f"{number}.txt")
        started = time.perf_counter()
        job = worker.run_next()
        with services.sessions() as session:
            applied = catch_up(session, services.index)
        if job is None or applied != 1:
            raise BenchFailed(f"Document {number} was not read.")
        seconds.append(time.perf_counter() - started)
    return seconds
