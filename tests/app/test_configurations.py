"""Saved retrieval configurations: one object for search, chat, API, command line and evals."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.accounts.service import local_account
from app.configurations.resolving import resolve
from app.configurations.tables import SearchConfiguration
from app.tables import User


def create(client: TestClient, name: str, **config: Any) -> dict[str, Any]:
    response = client.post("/v1/configurations", json={"name": name, "config": config})
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def threshold(client: TestClient, **body: Any) -> float:
    response = client.post("/v1/search", json={"question": "When does the gate open?", **body})
    assert response.status_code == 200, response.text
    value: float = response.json()["evidence"]["threshold"]
    return value


def test_a_configuration_is_whole_and_used_where_it_is_named(client: TestClient) -> None:
    saved = create(client, "strict", evidence_threshold=0.9)
    assert saved["config"] == {
        "dense_k": 50,
        "bm25_k": 50,
        "rrf_k": 60,
        "rerank_k": 24,
        "fused_weight": 100,
        "top_k": 5,
        "evidence_threshold": 0.9,
        "min_sureness": 0.5,
        "own_thresholds": False,
    }
    assert (saved["in_force"], saved["adoption"]) == (False, None)
    assert threshold(client) == 0.3
    assert threshold(client, configuration="strict") == 0.9
    assert threshold(client, configuration="strict", config={"evidence_threshold": 0.8}) == 0.8
    assert threshold(client, configuration="settings") == 0.3
    missing = client.post("/v1/ask", json={"question": "When?", "configuration": "lenient"})
    assert (missing.status_code, missing.json()["code"]) == (404, "configuration_not_found")
    assert client.get("/v1/conversations").json() == {"items": []}  # nothing was saved for it


def test_names_are_unique_and_the_settings_keep_theirs(client: TestClient) -> None:
    create(client, "strict")
    for name in ("strict", "settings"):
        response = client.post("/v1/configurations", json={"name": name})
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert client.post("/v1/configurations", json={"name": "x", "config": {"top_k": 0}}).status_code == 422


def test_without_a_comparison_adoption_is_refused_unless_forced_with_a_reason(client: TestClient) -> None:
    first, second = create(client, "strict", evidence_threshold=0.9), create(client, "lenient")
    path = f"/v1/configurations/{first['id']}/adopt"
    refused = client.post(path, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "comparison_required")
    assert client.post(path, json={"force": True}).json()["code"] == "request_invalid"
    assert threshold(client) == 0.3

    adopted = client.post(path, json={"force": True, "reason": "A wrong answer costs more here."}).json()
    assert adopted["in_force"]
    assert adopted["adoption"] == {"forced": True, "reason": "A wrong answer costs more here."}
    assert client.get("/v1/configurations").json()["in_force"] == "strict"
    answer = client.post("/v1/ask", json={"question": "When does the gate open?"}).json()
    assert (threshold(client), answer["refusal"]["threshold"]) == (0.9, 0.9)

    assert client.delete(f"/v1/configurations/{first['id']}").json()["code"] == "configuration_in_force"
    client.post(f"/v1/configurations/{second['id']}/adopt", json={"force": True, "reason": "Back."})
    assert client.delete(f"/v1/configurations/{first['id']}").status_code == 204
    assert threshold(client) == 0.3
    assert client.post("/v1/configurations/leave").status_code == 204
    assert client.get("/v1/configurations").json()["in_force"] == "settings"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/configurations/{id}/adopt", {"force": True, "reason": "Mine now."}),
        ("DELETE", "/v1/configurations/{id}", None),
        ("POST", "/v1/search", {"question": "When?", "configuration": "theirs"}),
        ("POST", "/v1/ask", {"question": "When?", "configuration": "theirs"}),
    ],
)
def test_another_owners_configuration_does_not_exist(
    client: TestClient, method: str, path: str, body: dict[str, Any] | None
) -> None:
    services = client.app.state.services  # type: ignore[attr-defined]
    with services.sessions.begin() as session:
        other = User(name="someone else")
        session.add(other)
        session.flush()
        row = SearchConfiguration(
            owner_id=other.id, name="theirs", config={"top_k": 1, "evidence_threshold": 1.0}, in_force=True
        )
        session.add(row)
        session.flush()
        row_id = row.id
    response = client.request(method, path.format(id=row_id), json=body)
    assert (response.status_code, response.json()["code"]) == (404, "configuration_not_found")
    assert client.get("/v1/configurations").json()["items"] == []
    with services.sessions() as session:
        assert resolve(session, local_account(session), services.settings).top_k == 5
