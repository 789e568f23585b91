"""A disk that is really full, under the API, its index and a worker at once: told clearly, over by itself."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.doctor import check
from app.jobs.worker import run_worker
from app.main import create_app
from app.services import Services
from app.settings import Settings, load_settings
from tests.conftest import client_of

DISK_BYTES = 24 * 1024**2
PATIENCE_S = 60.0
NO_ROOM = {"storage_full", "database_full"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def settings(disk: Path) -> Settings:
    return load_settings(
        {},
        data_dir=disk / "data",
        poll_interval_s=0.02,
        evidence_threshold=0.3,
        retry_backoff_s=0.2,
        max_attempts=20,
    )


@pytest.fixture
def client(settings: Settings, build: Callable[[Settings], Services]) -> Iterator[TestClient]:
    with client_of(create_app(settings, build), raise_server_exceptions=False) as test_client:
        yield test_client


@pytest.fixture
def services(client: TestClient) -> Services:
    return client.app.state.services  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def start_worker(services: Services) -> Iterator[Callable[[], None]]:
    stop, threads = threading.Event(), []

    def start() -> None:
        arguments = (services.settings, services.engine, services.blobs, services.models.ingest)
        threads.append(threading.Thread(target=run_worker, args=arguments, kwargs={"stop": stop}))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)


def send(client: TestClient, number: int) -> Any:
    words = f"The pilot of harbour {number} has {number + 20} days of leave. ".encode()
    return client.post("/v1/documents", files=[("files", (f"{number}.txt", words * (200 + number)))])


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as ballast:
        for size in (1024**2, 4096, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                continue


def wait_until_ready(client: TestClient, count: int) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        items = client.get("/v1/documents").json()["items"]
        if [each["status"] for each in items] == ["ready"] * count:
            return
        assert all(each["status"] != "failed" for each in items), items
        time.sleep(0.05)
    raise AssertionError(items)


def test_everything_says_so_and_goes_on_when_there_is_room(
    client: TestClient, services: Services, disk: Path, start_worker: Callable[[], None]
) -> None:
    assert send(client, 1).status_code == 202
    assert send(client, 2).status_code == 202
    fill(disk / "ballast")
    start_worker()
    for number in range(3, 9):
        refused = send(client, number)
        assert (refused.status_code, refused.json()["code"] in NO_ROOM) == (507, True), refused.text
    time.sleep(2.0)  # the worker and the index try, and cannot
    listed = client.get("/v1/documents")
    assert listed.status_code == 200
    assert {each["status"] for each in listed.json()["items"]} <= {"queued", "processing", "ready"}
    asked = client.post("/v1/ask", json={"question": "How many days of leave has the pilot?"})
    assert asked.status_code in {200, 503, 507}, asked.text
    assert asked.status_code == 200 or asked.json()["code"] != "internal_error", asked.text

    (disk / "ballast").unlink()
    wait_until_ready(client, 2)
    assert send(client, 3).status_code == 202
    wait_until_ready(client, 3)
    answer = client.post("/v1/ask", json={"question": "How many days of leave has the pilot of harbour 3?"})
    assert "23 days" in answer.json()["answer"]
    report = check(services)
    assert report.ok, report.text()
