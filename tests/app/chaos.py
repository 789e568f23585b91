"""A service of real processes that are killed with SIGKILL while documents are uploaded, stopped and deleted.

API and workers run on a real database file with a fake encoder. They are forked from a process that has
imported everything, so that a restart takes milliseconds and hundreds of kills fit into minutes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
import psutil
from numpy.typing import NDArray

from app.db import create_engine
from app.documents.blobs import BlobStore
from app.jobs.worker import run_worker
from app.services import IngestModels, assemble_services
from app.settings import Settings, load_settings
from tests.fakes import fake_ingest_models, fake_models, hash_encode
from tests.ingest.samples import pdf

WORKERS = 2
DOCUMENTS_AT_WORK = 6  # enough that every kill hits something, few enough that the end comes soon
PATIENCE_S = 180.0
FORK_SERVER_SHARE = 0.3  # of the kills that are meant for parsers
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload([__name__, "app.main", "uvicorn", "alembic.command"])


def chaos_settings(data_dir: Path, port: int = 1) -> Settings:
    """Short times; more tries than a document can be unlucky, so that a good file must become ready."""
    return load_settings(
        {},
        data_dir=data_dir,
        api_port=port,
        lease_s=3.0,
        poll_interval_s=0.02,
        retry_backoff_s=0.1,
        max_attempts=20,
        chunk_tokens=32,
        log_level="ERROR",
    )


def slow_encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """Takes long enough to be killed in the middle."""
    time.sleep(0.01)
    return hash_encode(texts)


def slow_models() -> IngestModels:
    return replace(fake_ingest_models(), encode=slow_encode)


def work(data_dir: Path) -> None:
    """A worker process."""
    settings = chaos_settings(data_dir)
    engine = create_engine(settings.resolved_database_url)
    run_worker(
        settings, engine, BlobStore(settings.data_dir / "blobs"), slow_models(), stop=threading.Event()
    )


def serve(data_dir: Path, port: int) -> None:
    """An API process."""
    import uvicorn

    from app.main import create_app

    settings = chaos_settings(data_dir, port)
    app = create_app(settings, lambda each: assemble_services(each, fake_models()))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical")


@dataclass
class Crew:
    """The processes, each restarted as soon as it is killed."""

    data_dir: Path
    port: int
    workers: list[multiprocessing.process.BaseProcess] = field(default_factory=list)
    api: multiprocessing.process.BaseProcess | None = None
    kills: Counter[str] = field(default_factory=Counter)
    owners: list[int] = field(default_factory=list)  # process ids of all there ever were

    def start(self) -> None:
        self.api = self._spawn(serve, self.data_dir, self.port)
        self.workers = [self._spawn(work, self.data_dir) for _ in range(WORKERS)]

    def kill_api(self) -> bool:
        assert self.api is not None
        _kill(self.api)
        self.api = self._spawn(serve, self.data_dir, self.port)
        self.kills["api"] += 1
        return True

    def kill_worker(self, at: str, pid: int | None = None) -> bool:
        """The worker with this process id, or any."""
        places = [n for n, worker in enumerate(self.workers) if pid in (None, worker.pid)]
        if not places:
            return False
        place = random.choice(places)
        _kill(self.workers[place])
        self.workers[place] = self._spawn(work, self.data_dir)
        self.kills[f"worker at {at}"] += 1
        return True

    def parsers(self) -> list[tuple[str, psutil.Process]]:
        """The workers' fork servers, and the children that read at this moment."""
        found = []
        for worker in self.workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                for server in psutil.Process(worker.pid).children():
                    found.append(("fork server", server))
                    found += [("parser", child) for child in server.children()]
        return found

    def kill_parser(self) -> bool:
        """The child that one worker reads with, if one is reading, or now and then what forks it."""
        wanted = "fork server" if random.random() < FORK_SERVER_SHARE else "parser"
        for kind, process in self.parsers():
            with contextlib.suppress(psutil.NoSuchProcess):
                if kind == wanted:
                    process.kill()
                    self.kills[kind] += 1
                    return True
        return False

    def stop(self) -> None:
        for process in (*self.workers, self.api):
            if process is not None:
                _kill(process)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
        process = FORK.Process(target=target, args=arguments, daemon=False)
        process.start()
        assert process.pid is not None
        self.owners.append(process.pid)
        return process


def _kill(process: multiprocessing.process.BaseProcess) -> None:
    process.kill()
    process.join()
    process.close()


@contextlib.contextmanager
def crew(data_dir: Path) -> Iterator[Crew]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assemble_services(chaos_settings(data_dir, port), fake_models()).close()
    running = Crew(data_dir, port)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def document(number: int) -> tuple[str, bytes]:
    """A file of its own kind and length; every eleventh is damaged."""
    if number % 11 == 10:
        return f"{number}.pdf", b"%%PDF-1.7 damaged %d" % number
    if number % 3 == 0:
        pages = [
            [f"Document {number}, page {page}, topic {page * 7}."] * 3 for page in range(5 + number % 40)
        ]
        return f"{number}.pdf", pdf(*pages)
    sections = [f"## Section {n}\n\nParagraph {n} of {number} is about topic {n * 7}." for n in range(25)]
    return f"{number}.md", f"# Document {number}\n\n{'  '.join(sections)}".encode()


class Client:
    """A person at the service: tries again until the answer comes, as a browser or a script does."""

    def __init__(self, port: int) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(self, method: str, path: str, **options: object) -> httpx.Response:
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = self._http.request(method, path, **options)  # type: ignore[arg-type]
                if response.status_code < 500:
                    return response
            except httpx.TransportError:
                pass
            assert time.monotonic() < give_up, f"{method} {path}: no answer"
            time.sleep(0.02)

    def upload(self, number: int, replaces: int | None = None) -> int:
        """Sends the file until it is accepted, as a document of its own or a version; returns its id."""
        name, data = document(number)
        fields = {} if replaces is None else {"on_existing": "replace", "document_id": str(replaces)}
        response = self.send("POST", "/v1/documents", files={"files": (name, data)}, data=fields)
        assert response.status_code == 202, response.text
        (row,) = response.json()["documents"]
        assert row["status"] in {"queued", "duplicate"}, row
        return int(row["document_id"])

    def statuses(self) -> dict[int, dict[str, object]]:
        items, offset = {}, 0
        while True:
            page = self.send("GET", "/v1/documents", params={"limit": 1000, "offset": offset}).json()
            items.update({each["id"]: each for each in page["items"]})
            offset += 1000
            if offset >= page["total"]:
                return items
