"""Stages, stopping and retrying over HTTP and on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from app.cli import app as cli
from app.jobs.commands import jobs_app
from app.jobs.failures import disk_full
from app.jobs.queue import JobQueue, RetryPolicy
from app.jobs.types import JobProgress, LeaseLost, StageCount
from app.services import Services
from app.tables import Document

PARSED, EMBEDDED = StageCount("parse", 80, 80), StageCount("embed", 32, 96)
HALF_WAY = JobProgress(EMBEDDED, (StageCount("stored", 1, 1), PARSED, EMBEDDED), seconds_left=20.0)


def services_of(client: TestClient) -> Services:
    services = client.app.state.services  # type: ignore[attr-defined]
    assert isinstance(services, Services)
    return services


@pytest.fixture
def document_id(client: TestClient) -> int:
    response = client.post("/v1/documents", files={"files": ("a.txt", b"Everyone has leave.")})
    return int(response.json()["documents"][0]["document_id"])


@pytest.fixture
def queue(client: TestClient) -> JobQueue:
    return JobQueue(services_of(client).sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 0))


def test_the_document_and_its_job_show_every_stage(
    client: TestClient, document_id: int, queue: JobQueue
) -> None:
    job = queue.take_next()
    assert job is not None
    queue.progress(job, HALF_WAY)
    progress = client.get(f"/v1/documents/{document_id}").json()["progress"]
    assert (progress["stage"], progress["done"], progress["total"]) == ("embed", 32, 96)
    assert progress["seconds_left"] == 20.0
    assert progress["stages"] == [
        {"stage": "stored", "done": 1, "total": 1},
        {"stage": "parse", "done": 80, "total": 80},
        {"stage": "embed", "done": 32, "total": 96},
    ]
    (listed,) = client.get("/v1/jobs").json()["items"]
    assert (listed["file_name"], listed["status"]) == ("a.txt", "running")
    assert listed["stages"] == progress["stages"]


def test_a_document_is_stopped_then_retried_and_stays_the_same(
    client: TestClient, document_id: int, queue: JobQueue
) -> None:
    assert queue.take_next() is not None
    stopped = client.post(f"/v1/documents/{document_id}/cancel")
    assert (stopped.status_code, stopped.json()["cancelled"]) == (200, True)
    document = client.get(f"/v1/documents/{document_id}").json()
    assert (document["status"], document["error"]["code"]) == ("failed", "cancelled")
    assert client.post(f"/v1/documents/{document_id}/cancel").json()["cancelled"] is False

    assert client.post(f"/v1/documents/{document_id}/retry").status_code == 202
    assert client.get("/v1/documents").json()["total"] == 1
    job = queue.take_next()
    assert job is not None
    assert job.document_id == document_id


def test_a_document_that_waits_for_another_try_says_why(
    client: TestClient, document_id: int, queue: JobQueue
) -> None:
    job = queue.take_next()
    assert job is not None
    queue.fail(job, disk_full("index", "a.txt"))
    document = client.get(f"/v1/documents/{document_id}").json()
    assert (document["status"], document["error"]) == ("queued", None)
    assert document["progress"]["attempts"] == 1
    assert document["progress"]["last_error"]["code"] == "disk_full"


def test_a_document_that_waits_for_another_try_is_tried_at_once(client: TestClient, document_id: int) -> None:
    queue = JobQueue(services_of(client).sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 600))
    job = queue.take_next()
    assert job is not None
    queue.fail(job, disk_full("index", "a.txt"))
    assert queue.take_next() is None
    retried = client.post(f"/v1/documents/{document_id}/retry")
    assert (retried.status_code, retried.json()["job_id"]) == (202, job.job_id)
    again = queue.take_next()
    assert again is not None
    assert (again.job_id, again.attempts) == (job.job_id, 2)


def test_a_document_whose_reading_hangs_is_begun_anew(
    client: TestClient, document_id: int, queue: JobQueue
) -> None:
    hanging = queue.take_next()
    assert hanging is not None
    assert client.post(f"/v1/documents/{document_id}/retry").status_code == 202
    with pytest.raises(LeaseLost):
        queue.heartbeat(hanging)
    fresh = queue.take_next()
    assert fresh is not None
    assert (fresh.document_id, fresh.attempts) == (document_id, 1)
    assert queue.take_next() is None


def test_a_document_is_deleted_in_any_state(client: TestClient, document_id: int, queue: JobQueue) -> None:
    job = queue.take_next()
    assert job is not None
    assert client.delete(f"/v1/documents/{document_id}").status_code == 204
    with pytest.raises(LeaseLost):
        queue.heartbeat(job)
    for act in ("cancel", "retry"):
        assert client.post(f"/v1/documents/{document_id}/{act}").status_code == 404
    assert client.get("/v1/jobs").json()["items"] == []


def test_stopping_what_is_not_there_says_so(client: TestClient) -> None:
    response = client.post("/v1/documents/999/cancel")
    assert (response.status_code, response.json()["code"]) == (404, "document_not_found")


def test_the_command_line_lists_stops_and_retries(
    client: TestClient, document_id: int, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FOOTNOTE_DATA_DIR", str(services_of(client).settings.data_dir))
    job = queue.take_next()
    assert job is not None
    queue.progress(job, HALF_WAY)

    def run(*words: str) -> str:
        result = CliRunner().invoke(jobs_app, list(words))
        assert result.exit_code == 0, result.output
        return result.output

    assert "a.txt: fetched, parsed 80/80 pages, embedded 32/96 passages, about 20 s left" in run("list")
    assert '"cancelled": true' in run("cancel", str(document_id), "--json")
    assert "[cancelled]" in run("list")
    assert f"document_id {document_id}" in run("retry", str(document_id))
    with services_of(client).sessions() as session:
        assert session.scalars(select(Document.status)).all() == ["queued"]


def test_the_worker_command_takes_a_count() -> None:
    assert "--count" in CliRunner().invoke(cli, ["worker", "--help"]).output
