"""`footnote bench ingest`: a PDF from its bytes to a search that finds its last page."""

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
from app.documents.local import ingest_paths
from app.services import Models, Services, TextGenerator, assemble_services
from app.settings import Settings
from app.wiring import build_ingest_models
from bench.measure import Figures
from bench.peers import library
from bench.report import OURS, Row, row_of
from bench.session import BenchFailed, Session
from bench.texts import prose

PAGE_WORDS = 350
PARAGRAPHS = 4  # a page


def rows(session: Session) -> Iterator[Row]:
    """Pages a second; every round reads another file."""
    pages = session.size(60, 3)
    with session.scratch() as settings:
        services = _services(settings)

        def run(number: int) -> Figures:
            path = write_pdf(settings.data_dir / f"{number}.pdf", pages, number)
            return (pages / _searchable_after_s(services, path, _keyword(number)),)

        try:
            results = session.compare({OURS: run}, rounds=5, budget_s=60.0)
        finally:
            services.close()
    yield row_of(f"PDF of {pages} pages, from bytes to found", "pages/s", results)


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


def _services(settings: Settings) -> Services:
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
