"""An API process and worker processes that read whatever is sent, and how each file must end.

Queue, parsers, sandbox and tokenizer are the product's. The vectors are a stand-in's: they would take most of
the time. Nothing is asked.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from app.db import create_engine
from app.doctor import check
from app.documents.blobs import BlobStore
from app.jobs.worker import run_worker
from app.services import IngestModels, Services, assemble_services
from app.settings import Settings, load_settings
from ingest.failures import NEXT_STEPS
from tests.fakes import fake_ingest_models, fake_models

ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0
STAGES = {"stored", "parse", "chunk", "embed", "index"}
WAITING = ("queued", "processing")  # what a document is before its end


def ingest_models(settings: Settings) -> IngestModels:
    """The real tokenizer beside the stand-in's vectors."""
    from app.wiring import build_ingest_models

    return replace(fake_ingest_models(), token_spans=build_ingest_models(settings).token_spans)


def build(settings: Settings) -> Services:
    return assemble_services(settings, fake_models())


def work(settings: Settings) -> None:
    """The worker process."""
    engine = create_engine(settings.resolved_database_url)
    blobs = BlobStore(settings.data_dir / "blobs")
    models = ingest_models(settings)
    run_worker(settings, engine, blobs, models, stop=threading.Event(), may_exit=True)


def serve(settings: Settings, *, on_loopback: bool = False) -> None:
    """The API process; `on_loopback` lets it read a test's own site."""
    import uvicorn

    from app.main import create_app

    app = create_app(settings, build)
    if on_loopback:
        from app.sites.endpoints import get_fetcher
        from app.sites.fetching import FetchLimits
        from tests.app.web_site import reader

        app.dependency_overrides[get_fetcher] = lambda: reader(limits=FetchLimits())
    uvicorn.run(app, host="127.0.0.1", port=settings.api_port, log_level="warning")


class Service:
    """The processes, and a client of the first."""

    def __init__(self, settings: Settings, workers: int, api: str = "api") -> None:
        self.settings = settings
        self._part = api
        self.http = httpx.Client(base_url=settings.resolved_api_url, timeout=60, trust_env=False)
        self.api = self._start(api)
        self.workers: list[subprocess.Popen[bytes]] = []
        try:
            self._wait_until_ready()
            self.workers += [self._start("worker") for _ in range(workers)]
        except BaseException:
            self.stop()
            raise

    def _start(self, part: str) -> subprocess.Popen[bytes]:
        folder, port = str(self.settings.data_dir), str(self.settings.api_port)
        return subprocess.Popen([sys.executable, "-m", __name__, part, folder, port], cwd=ROOT)

    def restart_api(self) -> None:
        """After its end."""
        self.api = self._start(self._part)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up:
            with contextlib.suppress(httpx.TransportError):
                if self.http.get("/healthz").is_success:
                    return
            time.sleep(0.2)
        raise AssertionError("the API did not start")

    def assert_alive(self) -> None:
        """No process has crashed or been replaced."""
        assert all(worker.poll() is None for worker in self.workers), "a worker ended"
        assert self.api.poll() is None, "the API ended"

    def upload(self, name: str, path: Path) -> dict[str, Any]:
        response = self.http.post("/v1/documents", files={"files": (name, path.read_bytes())})
        if response.status_code == 422:  # the one file that was sent was refused
            return {"status": "rejected", "document_id": None, "error": response.json()}
        assert response.status_code == 202, (name, response.text)
        (row,) = response.json()["documents"]
        return dict(row)

    def documents(self, within_s: float) -> dict[int, dict[str, Any]]:
        """Every document, once none waits or is being read."""
        give_up = time.monotonic() + within_s
        while time.monotonic() < give_up:
            self.assert_alive()
            if not any(self._page(status=status, limit=1)["total"] for status in WAITING):
                # One may have gone back to the queue between the two requests: the list itself decides.
                found = self._all()
                if not any(document["status"] in WAITING for document in found.values()):
                    return found
            time.sleep(0.5)
        raise AssertionError(f"still at work: {self._page(status='processing')['items']}")

    def _all(self) -> dict[int, dict[str, Any]]:
        items: list[dict[str, Any]] = []
        while len(items) < (page := self._page(offset=len(items)))["total"]:
            items += page["items"]
        return {each["id"]: each for each in items}

    def _page(self, **query: Any) -> dict[str, Any]:
        return dict(self.http.get("/v1/documents", params={"limit": 1000, **query}).json())

    def has_text(self, document: dict[str, Any]) -> bool:
        """Whether any page that can be read over HTTP holds a letter or digit."""
        for number in range(1, document["page_count"] + 1):
            page = self.http.get(f"/v1/documents/{document['id']}/pages/{number}").json()
            if any(map(str.isalnum, page["text"])):
                return True
        return False

    def stop(self) -> None:
        self.http.close()
        for process in (*self.workers, self.api):
            process.kill()
            process.wait()


@contextmanager
def running_service(folder: Path, workers: int = 1, api: str = "api") -> Iterator[Service]:
    """The processes on a data folder of their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Service(load_settings({}, data_dir=folder, api_port=port), workers, api)
    try:
        yield running
    finally:
        running.stop()


def assert_says_why(error: dict[str, Any] | None, name: str) -> None:
    """Code, stage, cause and next step, in sentences."""
    assert error is not None, name
    assert error["code"] in NEXT_STEPS, (name, error)
    assert error["stage"] in STAGES, (name, error)
    assert error["cause"].endswith("."), (name, error)
    assert error["next_step"].endswith("."), (name, error)


def assert_ended_well(service: Service, document: dict[str, Any]) -> None:
    if document["status"] == "ready":
        assert document["error"] is None, document
        assert document["chunk_count"] > 0, document
        assert service.has_text(document), document
    else:
        assert_says_why(document["error"], document["file_name"])
        assert document["error"]["file"] == document["file_name"], document


def assert_everything_agrees(settings: Settings) -> None:
    services = build(settings)
    try:
        report = check(services)
    finally:
        services.close()
    assert report.ok, report.text()


def print_counts(
    outcomes: dict[str, dict[str, Any]], documents: dict[int, dict[str, Any]], seconds: float
) -> None:
    sent = Counter(outcome["status"] for outcome in outcomes.values())
    ended = Counter(document["status"] for document in documents.values())
    codes = Counter(document["error"]["code"] for document in documents.values() if document["error"])
    passages = sum(document["chunk_count"] or 0 for document in documents.values())
    print(f"\n{len(outcomes)} files in {seconds:.0f} s: {dict(sent)}; {dict(ended)}; {passages} passages")
    print(f"failed: {dict(codes)}")


if __name__ == "__main__":
    part, data_dir, api_port = sys.argv[1:]
    parts = {"api": serve, "api-on-loopback": partial(serve, on_loopback=True), "worker": work}
    parts[part](load_settings({}, data_dir=data_dir, api_port=int(api_port)))
