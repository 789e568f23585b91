"""Asking over HTTP: what several tests of questions do."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from fastapi.testclient import TestClient

from app.jobs.worker import run_worker
from app.services import Services


def upload(
    client: TestClient, files: Mapping[str, str | bytes], collection_id: int | None = None
) -> list[int]:
    """Uploads files by name and works until they are read; returns document ids."""
    sent = [
        ("files", (name, data.encode() if isinstance(data, str) else data)) for name, data in files.items()
    ]
    form = {} if collection_id is None else {"collection_id": str(collection_id)}
    response = client.post("/v1/documents", files=sent, data=form)
    assert response.status_code == 202, response.text
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    work(services)
    return [row["document_id"] for row in response.json()["documents"]]


def ask(client: TestClient, question: str, **body: Any) -> dict[str, Any]:
    """The whole answer."""
    response = client.post("/v1/ask", json={"question": question, **body})
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def events(client: TestClient, path: str, body: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of every event of a streamed answer."""
    with client.stream("POST", path, json={**body, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream"), response.read()
        return parsed_events("".join(response.iter_text()))


def parsed_events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of every event of a stream that has ended."""
    pairs = [block.split("\n", 1) for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def work(services: Services) -> None:
    """A worker's run until no job is left."""
    run_worker(
        services.settings,
        services.engine,
        services.blobs,
        services.models.ingest,
        stop=threading.Event(),
        until_idle=True,
    )
