"""Replacing and deleting over HTTP: what is offered, what answers meanwhile, what old citations say."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.documents.sweeping import sweep
from app.jobs.worker import Worker
from app.services import Services
from tests.app.asking import work

OLD = b"Everyone has 28 days of leave."
NEW = b"Everyone has 30 days of leave. So says the new handbook."
QUESTION = "How many days of leave has everyone?"


@pytest.fixture
def services(client: TestClient) -> Services:
    return client.app.state.services  # type: ignore[attr-defined]


def send(client: TestClient, data: bytes, name: str = "leave.txt", **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/documents", files=[("files", (name, data))], data=fields)
    assert response.status_code == 202, response.text
    outcome: dict[str, Any] = response.json()["documents"][0]
    return outcome


def ask(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/v1/ask", json={"question": QUESTION}).json()
    return answer


def cited(client: TestClient, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer's first citation as it is read again later."""
    conversation = client.get(f"/v1/conversations/{answer['conversation_id']}").json()
    citation: dict[str, Any] = conversation["messages"][0]["citations"][0]
    return citation


def test_a_check_says_what_is_known_before_anything_is_sent(client: TestClient) -> None:
    document_id = send(client, OLD)["document_id"]
    digest = hashlib.sha256(OLD).hexdigest()
    files = [
        {"file_name": "other.txt", "sha256": digest},
        {"file_name": "leave.txt", "sha256": "0" * 64},
        {"file_name": "new.txt", "sha256": "1" * 64},
    ]
    found = client.post("/v1/documents/check", json={"files": files}).json()["files"]
    assert [(each["match"], each["document_id"]) for each in found] == [
        ("same_bytes", document_id),
        ("same_name", document_id),
        ("none", None),
    ]
    wrong = client.post("/v1/documents/check", json={"files": [{"file_name": "a", "sha256": "x"}]})
    assert wrong.status_code == 422


def test_the_fields_of_an_upload_are_checked(client: TestClient) -> None:
    for fields in ({"on_existing": "overwrite"}, {"document_id": "1"}, {"document_id": "x"}):
        response = client.post("/v1/documents", files=[("files", ("a.txt", b"a"))], data=fields)
        assert (response.status_code, response.json()["code"]) == (422, "request_invalid"), fields
    missing = client.post(
        "/v1/documents",
        files=[("files", ("a.txt", b"a"))],
        data={"on_existing": "replace", "document_id": "999"},
    )
    assert missing.json()["code"] == "document_not_found"


def test_a_citation_is_explained_before_and_after_a_replacement(
    client: TestClient, services: Services
) -> None:
    document_id = send(client, OLD)["document_id"]
    work(services)
    first = ask(client)
    assert first["citations"][0]["document"] == {
        "state": "current",
        "version_now": 1,
        "since": None,
        "readable": True,
    }
    outcome = send(client, NEW, on_existing="replace")
    assert (outcome["document_id"], outcome["version"]) == (document_id, 2)
    assert "28 days" in ask(client)["answer"]  # the old version answers until the new one is ready
    work(services)
    second = ask(client)
    assert "30 days" in second["answer"]
    assert second["citations"][0]["document_version"] == 2
    old = cited(client, first)
    assert (old["document"]["state"], old["document"]["version_now"]) == ("replaced", 2)
    assert old["document"]["since"] is not None
    page = client.get(f"/v1/documents/{document_id}/pages/1?version=1").json()
    assert page["text"][old["start"] : old["end"]] == old["text"] == OLD.decode()
    assert client.get(f"/v1/documents/{document_id}/file?version=1").content == OLD
    assert client.get(f"/v1/documents/{document_id}/file").content == NEW
    listed = client.get(f"/v1/documents/{document_id}/versions").json()["items"]
    assert [(each["number"], each["state"]) for each in listed] == [(2, "current"), (1, "replaced")]


def test_a_version_that_is_not_kept_any_more_says_so(client: TestClient, services: Services) -> None:
    document_id = send(client, OLD)["document_id"]
    work(services)
    first = ask(client)
    send(client, NEW, on_existing="replace")
    work(services)
    sweep(services.sessions, services.blobs, keep_versions=0)
    for path in ("file", "pages/1", "pages/1/image"):
        gone = client.get(f"/v1/documents/{document_id}/{path}?version=1")
        assert (gone.status_code, gone.json()["code"]) == (410, "version_purged")
    old = cited(client, first)
    assert (old["document"]["state"], old["document"]["readable"]) == ("replaced", False)
    assert old["text"] == OLD.decode()
    assert client.get(f"/v1/documents/{document_id}/file?version=9").status_code == 404


def test_a_deleted_document_is_explained_with_its_words(client: TestClient, services: Services) -> None:
    document_id = send(client, OLD)["document_id"]
    work(services)
    first = ask(client)
    assert client.delete(f"/v1/documents/{document_id}").status_code == 204
    assert ask(client)["state"] == "refused"
    old = cited(client, first)
    assert old["document"]["state"] == "deleted"
    assert old["document"]["since"] is not None
    assert old["text"] == OLD.decode()
    assert list(services.blobs.digests()) == []


def test_a_new_version_that_fails_can_be_given_up(client: TestClient, services: Services) -> None:
    document_id = send(client, OLD)["document_id"]
    work(services)
    send(client, bytes(range(256)) * 4, on_existing="replace")
    work(services)
    shown = client.get(f"/v1/documents/{document_id}").json()
    assert (shown["status"], shown["version"], shown["ready_version"]) == ("failed", 2, 1)
    assert "28 days" in ask(client)["answer"]
    shown = client.delete(f"/v1/documents/{document_id}/versions/pending").json()
    assert (shown["status"], shown["version"], shown["error"]) == ("ready", 1, None)
    assert len(list(services.blobs.digests())) == 1
    again = client.delete(f"/v1/documents/{document_id}/versions/pending")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_deleting_while_a_worker_is_at_it_leaves_nothing(client: TestClient, services: Services) -> None:
    import threading

    document_id = send(client, OLD)["document_id"]

    def watch(*_: object) -> None:
        client.delete(f"/v1/documents/{document_id}")

    worker = Worker(
        services.settings,
        services.sessions,
        services.blobs,
        services.models.ingest,
        stop=threading.Event(),
        watch=watch,
    )
    worker.run_next()
    assert client.get(f"/v1/documents/{document_id}").status_code == 404
    assert list(services.blobs.digests()) == []
    assert client.get("/v1/documents").json()["total"] == 0
