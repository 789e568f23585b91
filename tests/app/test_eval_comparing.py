"""Two runs compared over HTTP: only the same questions, each once however often it was asked."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from tests.app.test_eval_set_runs import ended, passages_set, start


def compared(client: TestClient, set_id: int, kind: str, question: str | None = None) -> dict[str, Any]:
    """Two runs side by side; before the second one the set's question gets these words."""
    baseline = ended(client, start(client, set_id, kind=kind))["id"]
    if question is not None:
        case = client.get(f"/v1/eval-sets/{set_id}/cases").json()["items"][0]
        names = ("key", "answers", "answerable", "gold", "passages")
        body = {name: case[name] for name in names} | {"question": question}
        assert client.put(f"/v1/eval-cases/{case['id']}", json=body).status_code == 200
    candidate = ended(client, start(client, set_id, kind=kind))["id"]
    found: dict[str, Any] = client.get(f"/v1/evals/{candidate}/compare", params={"baseline": baseline}).json()
    return found


def test_a_question_that_was_edited_is_another_one(client: TestClient) -> None:
    found = compared(client, passages_set(client, 2), "answers", "Who paints the gates?")
    assert (found["questions"], found["only_in_one"], found["cases"], found["measures"]) == (0, 2, [], {})


def test_a_sweep_asks_one_question_in_five_places(client: TestClient) -> None:
    found = compared(client, passages_set(client, 10), "positions")
    assert (found["questions"], found["only_in_one"], len(found["cases"])) == (1, 0, 5)
    assert found["measures"]["f1"]["delta"]["n"] == 1
