"""How a document was cut, over HTTP: every passage of the version that answers, with its place."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from tests.app.asking import upload
from tests.conftest import ROOT

HANDBOOK = ROOT / "samples" / "files" / "employee-handbook.pdf"


def listed(client: TestClient, document_id: int, **query: int) -> dict[str, Any]:
    response = client.get(f"/v1/documents/{document_id}/passages", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_the_passages_of_a_document_are_its_text_in_order(client: TestClient) -> None:
    [document_id] = upload(client, {HANDBOOK.name: HANDBOOK.read_bytes()})
    document = client.get(f"/v1/documents/{document_id}").json()

    found = listed(client, document_id)

    assert (found["total"], found["version"]) == (document["chunk_count"], 1)
    assert [each["position"] for each in found["items"]] == list(range(found["total"]))
    for each in found["items"]:
        page = client.get(f"/v1/documents/{document_id}/pages/{each['page_first']}").json()
        assert page["start"] <= each["start"] < each["end"]
        if each["page_first"] == each["page_last"]:
            assert page["text"][each["start"] - page["start"] : each["end"] - page["start"]] == each["text"]
        assert each["tokens"] > 0


def test_they_are_listed_by_page_and_in_parts(client: TestClient) -> None:
    [document_id] = upload(client, {HANDBOOK.name: HANDBOOK.read_bytes()})
    everything = listed(client, document_id)["items"]

    second = listed(client, document_id, page=2)["items"]
    assert second
    assert second == [each for each in everything if each["page_first"] <= 2 <= each["page_last"]]
    assert listed(client, document_id, limit=2, offset=1)["items"] == everything[1:3]
    assert listed(client, document_id, page=99) == {"version": 1, "total": 0, "items": []}


def test_before_a_document_is_read_there_are_none(client: TestClient) -> None:
    sent = client.post("/v1/documents", files=[("files", ("a.txt", b"Words."))]).json()
    document_id = sent["documents"][0]["document_id"]
    assert listed(client, document_id) == {"version": None, "total": 0, "items": []}

    missing = client.get("/v1/documents/99/passages")
    assert (missing.status_code, missing.json()["code"]) == (404, "document_not_found")
