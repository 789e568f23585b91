"""`footnote bench ingest`: PDFs from their bytes to a search that finds their last page."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from app.accounts.service import local_account
from app.answers.search import scope
from app.documents.local import ingest_paths, submit
from app.services import Models, Services, TextGenerator, assemble_services
from app.settings import Settings
from app.wiring import build_ingest_models
from bench.ingest_worker import ingest_worker
from bench.measure import Figures
from bench.peers import library
from bench.report import OURS, Row, row_of
from bench.session import BenchFailed, Session
from bench.texts import prose

PAGE_WORDS = 350
PARAGRAPHS = 4  # a page


def rows(session: Session) -> Iterator[Row]:
    """Pages a second of a report, of a book against it, and the worker's memory on the book.

    Every round reads another file.
    """
    yield _speed(session, session.size(300, 3))
    yield from _book(session, session.size(1000, 30))


def _speed(session: Session, pages: int) -> Row:
    with session.scratch() as settings:
        services = services_for_ingest(settings)

        def run(number: int) -> Figures:
            path = write_pdf(settings.data_dir / f"{number}.pdf", pages, number)
            return (pages / _searchable_after_s(services, path, _keyword(number)),)

        try:
            results = session.compare({OURS: run}, rounds=5, budget_s=60.0)
        finally:
            services.close()
    return row_of(f"PDF of {pages} pages, from bytes to found", "pages/s", results)


def _book(session: Session, pages: int) -> Iterator[Row]:
    """Read once by a worker process: its start, which is no part of its speed, is measured on one page."""
    with session.scratch() as settings:
        services = services_for_ingest(settings)
        try:
            start_s, _ = _worker_run(services, write_pdf(settings.data_dir / "one.pdf", 1, 0))
            took_s, peak = _worker_run(services, write_pdf(settings.data_dir / "book.pdf", pages, 1))
        finally:
            services.close()
    rate = (pages - 1) / max(took_s - start_s, 1e-9)
    yield row_of(f"PDF of {pages:,} pages, worker process", "pages/s", {OURS: [(rate,)]})
    yield row_of(f"peak memory of the worker, {pages:,} pages", "MB", {OURS: [(peak / 1e6,)]})


def _worker_run(services: Services, path: Path) -> tuple[float, int]:
    """Seconds of a worker process from its start to its end, and its largest resident size in bytes."""
    submit(services, "Bench", path, path.name)
    started = time.perf_counter()
    with ingest_worker(services.settings) as worker:
        worker.wait()
    return time.perf_counter() - started, worker.peak_bytes


def write_pdf(path: Path, pages: int, seed: int) -> Path:
    """Text pages as a report has them; the last one names the keyword; raises PeerMissing."""
    platypus = library("reportlab.platypus")
    style = library("reportlab.lib.styles").getSampleStyleSheet()["BodyText"]
    story = []
    for page in range(pages):
        words = PAGE_WORDS // PARAGRAPHS
        texts = [prose(words, "page", seed, page, paragraph) for paragraph in range(PARAGRAPHS)]
        if page == pages - 1:
            texts.append(f"The code word of this report is {_keyword(seed)}.")
        story += [platypus.Paragraph(html.escape(text), style) for text in texts] + [platypus.PageBreak()]
    platypus.SimpleDocTemplate(str(path)).build(story)
    return path


def _searchable_after_s(services: Services, path: Path, keyword: str) -> float:
    """From the first byte to the first search that finds the last page; raises BenchFailed if none does."""
    started = time.perf_counter()
    (row,) = ingest_paths(services, [path], "Bench", lambda _: None)
    if row["status"] != "ready":
        raise BenchFailed(f"{path.name} was not read: {row['error']}")
    with services.sessions.begin() as session:
        access = scope(services, session, local_account(session), None, None)  # as every question begins
    found = services.index.bm25(keyword, 1, access)
    taken_s = time.perf_counter() - started
    if not found:
        raise BenchFailed(f"The last page of {path.name} is not found.")
    return taken_s


def _keyword(seed: int) -> str:
    """A word of its own for each file."""
    return f"quillon{seed:04d}"


def services_for_ingest(settings: Settings) -> Services:
    """The application with an encoder alone: nothing is asked here."""
    models = Models(
        ingest=build_ingest_models(settings),
        reranker_id="none",
        score_pairs=_unused,
        verifier_id="none",
        verify=_unused,
        generator=cast(TextGenerator, None),
    )
    return assemble_services(settings, models)


def _unused(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    raise AssertionError(f"{len(pairs)} pairs were scored in a benchmark of ingest")
