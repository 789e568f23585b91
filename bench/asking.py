"""`footnote bench asking`: the first token of answers while a worker reads a long PDF, and when it rests."""

from __future__ import annotations

import time
from collections.abc import Iterator

from app.accounts.service import local_account
from app.answers import repository
from app.answers.runner import run
from app.answers.types import Command
from app.configurations.resolving import resolve
from app.documents.index_follower import IndexFollower
from app.documents.local import ingest_paths, submit
from app.jobs import repository as jobs
from app.services import Services, assemble_services
from bench import ours
from bench.ingest import write_pdf
from bench.ingest_worker import ingest_worker
from bench.measure import percentile
from bench.report import OURS, Row, row_of
from bench.session import BenchFailed, Session
from bench.texts import SAMPLES, questions

WORKER_START_S = 60.0  # until it has a job


def rows(session: Session) -> Iterator[Row]:
    """The slowest but 5% of questions to the sample documents; the worker's process is the product's."""
    asked, pages = session.size(40, 4), session.size(1000, 60)
    with session.scratch() as settings, ours.service_models(settings) as models:
        services = assemble_services(settings, models)
        follower = IndexFollower(services)
        follower.start()
        try:
            ingest_paths(services, [SAMPLES / "files"], "Default", lambda _: None)
            _firsts_s(services, asked)  # a warm-up
            idle_s = percentile(_firsts_s(services, asked), 95)
            path = write_pdf(settings.data_dir / "long.pdf", pages, 1)
            submit(services, "Bench", path, path.name)
            with ingest_worker(settings) as worker:
                _wait_for_work(services)
                busy_s = percentile(_firsts_s(services, asked), 95)
                if not worker.is_running:
                    raise BenchFailed("The worker was done before the questions were.")
        finally:
            follower.stop()
            services.close()
    results = {"idle": [(idle_s,)], OURS: [(busy_s,)]}
    yield row_of(f"first answer token beside an ingest of {pages:,} pages, p95", "s", results)


def _firsts_s(services: Services, count: int) -> list[float]:
    """Time from the question to its first token, of `count` questions that are answered.

    There are only a few different ones, so the decoder forgets what it has read before each.
    """
    asked, firsts_s = questions(), list[float]()
    for number in range(4 * count):
        services.models.forget_passages()
        first_s = _first_s(services, asked[number % len(asked)].text)
        if first_s is not None:
            firsts_s.append(first_s)
        if len(firsts_s) == count:
            return firsts_s
    raise BenchFailed("Too many questions were refused.")


def _first_s(services: Services, question: str) -> float | None:
    """None for a refusal, which has no token."""
    started = time.perf_counter()
    with services.sessions.begin() as session:
        owner = local_account(session)
        message = repository.save_question(session, owner.id, question, None)
        chosen = resolve(session, owner, services.settings)
    command = Command(message.id, message.conversation_id, question, None, None, chosen)
    first_s = None
    for name, _ in run(services, command).follow():  # to its end: the next one must find nothing running
        if name == "token" and first_s is None:
            first_s = time.perf_counter() - started
    return first_s


def _wait_for_work(services: Services) -> None:
    """Until the worker embeds: its models are loaded then."""
    give_up = time.monotonic() + WORKER_START_S
    while time.monotonic() < give_up:
        with services.sessions() as session:
            if any(job.stage == "embed" for job in jobs.list_running(session)):
                return
        time.sleep(0.1)
    raise BenchFailed(f"The worker did not begin within {WORKER_START_S:.0f} seconds.")
