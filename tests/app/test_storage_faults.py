"""Disk full, database locked or damaged, index torn: a clear error, nothing lost, over by itself."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app import cli, db
from app.doctor import check
from app.documents.local import ingest_paths
from app.jobs.worker import run_worker
from app.main import create_app
from app.services import Services
from app.settings import Settings
from retrieval import growing
from retrieval.clustered import SearchEffort
from retrieval.growing import Growth
from tests.conftest import client_of

Build = Callable[[Settings], Services]
BIG = b"Everyone has 28 days of leave. " * 20_000
SMALL = b"Pay day is the 25th."


@contextmanager
def no_room_beyond(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow past this size, as on a full disk (EFBIG instead of ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def send(client: TestClient, data: bytes, name: str = "a.txt") -> Any:
    return client.post("/v1/documents", files=[("files", (name, data))])


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_upload_onto_a_full_disk_keeps_nothing_and_works_when_there_is_room(
    client: TestClient, settings: Settings
) -> None:
    with no_room_beyond(200_000):
        refused = send(client, BIG)
    assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
    assert "FOOTNOTE_DATA_DIR" in refused.json()["next_step"]
    assert files_of(settings.data_dir / "blobs") == []
    assert client.get("/v1/documents").json()["total"] == 0
    assert send(client, BIG).status_code == 202


def test_a_database_without_room_says_so_and_keeps_neither_row_nor_bytes(
    client: TestClient, settings: Settings
) -> None:
    assert send(client, SMALL).status_code == 202
    with no_room_beyond(1000):  # the file fits, the database's log does not grow
        refused = send(client, b"Another small file.", "b.txt")
    assert (refused.status_code, refused.json()["code"]) == (507, "database_full"), refused.text
    assert len(files_of(settings.data_dir / "blobs")) == 1
    assert client.get("/v1/documents").json()["total"] == 1
    assert send(client, b"Another small file.", "b.txt").status_code == 202


def test_a_locked_database_is_named_after_one_wait_and_nothing_is_kept(
    settings: Settings, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "BUSY_TIMEOUT_MS", 200)
    with client_of(create_app(settings, build)) as client:
        other = sqlite3.connect(settings.data_dir / "footnote.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE").close()
        refused = send(client, SMALL)
        other.execute("ROLLBACK").close()
        other.close()
        assert (refused.status_code, refused.json()["code"]) == (503, "database_locked")
        assert refused.headers["Retry-After"]
        assert files_of(settings.data_dir / "blobs") == []
        assert send(client, SMALL).status_code == 202


@pytest.fixture
def saved(services: Services, tmp_path: Path) -> Services:
    """Two documents, their index saved."""
    (tmp_path / "leave.txt").write_text("Everyone has 28 days of leave.")
    (tmp_path / "pay.txt").write_bytes(SMALL)
    ingest_paths(services, [tmp_path / "leave.txt", tmp_path / "pay.txt"], "Default", lambda _: None)
    assert check(services).ok
    services.index.save()
    return services


def test_a_snapshot_that_finds_no_room_leaves_the_one_before_and_no_litter(
    saved: Services, tmp_path: Path
) -> None:
    folder = saved.settings.data_dir / "index"
    before = {path for path in files_of(folder) if "snapshot-" in str(path)}
    (tmp_path / "more.txt").write_text("Something new.\n\n" * 3000)
    ingest_paths(saved, [tmp_path / "more.txt"], "Default", lambda _: None)
    assert check(saved).ok
    with no_room_beyond(300), pytest.raises((OSError, RuntimeError, ValueError)):
        saved.index.save()
    assert {path for path in files_of(folder) if "snapshot-" in str(path)} == before
    assert list(folder.rglob("staged-*")) == []
    saved.index.save()
    assert {path for path in files_of(folder) if "snapshot-" in str(path)} != before


def test_vectors_that_are_cut_while_they_are_in_use_are_rebuilt_and_end_no_process(
    settings: Settings, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Growth(clustered_from=40, effort=SearchEffort(scanned=60, short_list=20, exact=5))
    monkeypatch.setattr(growing, "Growth", lambda: small)
    with client_of(create_app(settings, build), raise_server_exceptions=False) as client:
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        words = "".join(f"# Ward {n}\n\nWard {n} of the harbour has {n + 20} beds.\n\n" for n in range(100))
        assert send(client, words.encode(), "wards.md").status_code == 202
        read_waiting(services)
        wait_until(lambda: services.index._dense.clustered)  # the follower has trained its lists
        asked = {"question": "How many beds has ward 77 of the harbour?"}
        before = client.post("/v1/search", json=asked).json()["hits"]
        os.truncate(services.index._dense._index._vectors._descriptor, 0)  # type: ignore[union-attr]
        response = client.post("/v1/search", json=asked)
        if response.status_code != 200:  # or the follower was quicker
            assert (response.status_code, response.json()["code"]) == (503, "index_damaged")
            assert response.headers["Retry-After"]
        wait_until(lambda: client.post("/v1/search", json=asked).status_code == 200)
        after = client.post("/v1/search", json=asked).json()["hits"]
        assert [hit["chunk_id"] for hit in after] == [hit["chunk_id"] for hit in before]
        assert check(services).ok


def read_waiting(services: Services) -> None:
    """A worker until nothing waits."""
    models, stop = services.models.ingest, threading.Event()
    run_worker(services.settings, services.engine, services.blobs, models, stop=stop, until_idle=True)


def wait_until(fulfilled: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not fulfilled():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.parametrize("keep", [0.0, 0.5], ids=["emptied", "cut in half"])
def test_a_torn_index_is_rebuilt_from_sql_whatever_file_is_torn(
    saved: Services, build: Build, keep: float
) -> None:
    snapshots = sorted((saved.settings.data_dir / "index").rglob("snapshot-*/**/*"))
    names = [path for path in snapshots if path.is_file() and path.stat().st_size]
    assert len(names) >= 4
    for path in names:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * keep)])
        again = build(saved.settings)
        try:
            assert again.index.problem, path
            report = check(again)
            assert report.ok, (path, report.text())
            assert report.dense_chunks == report.bm25_chunks == 2
        finally:
            again.close()
        path.write_bytes(whole)


def test_a_damaged_database_ends_a_command_in_two_plain_lines(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "footnote.db").write_bytes(b"This was a database once. " * 400)
    monkeypatch.setenv("FOOTNOTE_DATA_DIR", str(settings.data_dir))
    monkeypatch.setattr(sys, "argv", ["footnote", "jobs", "list"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    shown = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "The database file is damaged." in shown
    assert "[database_damaged]" in shown
    assert "Traceback" not in shown
