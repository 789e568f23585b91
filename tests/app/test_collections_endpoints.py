"""`/v1/collections` over HTTP."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 201},
        {"name": "nul\0"},
        {"name": "line\nbreak"},
        {"name": 7},
        {"name": "A", "owner_id": 2},
        [],
    ],
)
def test_a_wrong_body_is_422(client: TestClient, body: object) -> None:
    response = client.post("/v1/collections", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "request_invalid")
    assert response.json()["details"]["fields"]


def test_a_lone_surrogate_is_422(client: TestClient) -> None:
    response = client.post(
        "/v1/collections", content=b'{"name": "\\ud800"}', headers={"content-type": "application/json"}
    )
    assert response.status_code == 422


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_body_that_is_not_json_is_422(client: TestClient, content: bytes) -> None:
    response = client.post("/v1/collections", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (422, "request_invalid")


def test_collections_are_created_listed_and_deleted(client: TestClient) -> None:
    created = client.post("/v1/collections", json={"name": "  Berichte 報告 "})
    assert created.status_code == 201
    collection = created.json()
    assert (collection["name"], collection["document_count"]) == ("Berichte 報告", 0)
    assert client.get(f"/v1/collections/{collection['id']}").json() == collection
    assert [c["name"] for c in client.get("/v1/collections").json()["items"]] == ["Default", "Berichte 報告"]
    assert client.delete(f"/v1/collections/{collection['id']}").status_code == 204
    assert client.get(f"/v1/collections/{collection['id']}").json()["code"] == "collection_not_found"


def test_a_taken_name_is_409(client: TestClient) -> None:
    response = client.post("/v1/collections", json={"name": "Default"})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_default_cannot_be_deleted(client: TestClient) -> None:
    (default,) = client.get("/v1/collections").json()["items"]
    assert client.delete(f"/v1/collections/{default['id']}").json()["code"] == "conflict"


def test_the_number_of_documents_counts_live_ones(client: TestClient) -> None:
    for name in ("a", "b"):
        client.post("/v1/documents", files=[("files", (f"{name}.txt", name.encode()))])
    document_id = client.get("/v1/documents").json()["items"][0]["id"]
    client.delete(f"/v1/documents/{document_id}")
    assert client.get("/v1/collections").json()["items"][0]["document_count"] == 1
