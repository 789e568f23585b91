"""Questions of the user's documents while a newer version is read, and in one collection of several."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from app.accounts.types import Account
from app.evals.cases import Gold
from app.evals.runs.places import DocumentsPlace
from app.services import Services, search_config
from tests.app.asking import upload
from tests.app.test_eval_set_runs import ended, start

FERRY = "The Wend ferry runs every twenty minutes."


def asked(client: TestClient, gold: dict[str, Any]) -> int:
    """A set of one question about the ferry."""
    created: int = client.post("/v1/eval-sets", json={"name": "ferries"}).json()["id"]
    case = {"question": "How often runs the Wend ferry?", "answerable": True, "gold": [gold]}
    assert client.post(f"/v1/eval-sets/{created}/cases", json=case).status_code == 201
    return created


def test_the_version_that_answers_is_asked_while_a_newer_one_waits(client: TestClient) -> None:
    [document_id] = upload(client, {"ferry.md": FERRY})
    set_id = asked(client, {"file": "ferry.md"})
    newer = [("files", ("ferries.md", b"The ferry was given up."))]
    fields = {"document_id": str(document_id), "on_existing": "replace"}
    sent = client.post("/v1/documents", files=newer, data=fields)
    assert sent.json()["documents"][0]["status"] == "queued"
    run = ended(client, start(client, set_id))
    assert (run["metrics"]["recall@1"]["value"], run["metrics"]["unscorable"]["value"]) == (1.0, 0.0)


def test_a_gold_passage_is_one_of_the_collection(client: TestClient) -> None:
    other = client.post("/v1/collections", json={"name": "Other"}).json()["id"]
    upload(client, {"ferry.md": FERRY})
    upload(client, {"ferry.md": f"{FERRY} So says the other book."}, other)
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    place = DocumentsPlace(services, Account(1, "local"), other, search_config(services.settings))
    chunk = place.gold_chunk([Gold(file="ferry.md")])
    assert chunk is not None
    assert chunk.collection_id == other
