"""Eval sets over HTTP: uploaded, written, changed, reviewed, exported, made of a bad answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.accounts.types import Account
from app.db import Sessions
from app.evals.sets import endpoints, repository, service
from app.evals.sets.schemas import CaseIn
from app.evals.tables import EvalCase
from app.services import Services
from app.settings import Settings
from app.tables import Conversation, Message
from tests.app.factories import second_user

LINES = json.dumps({"id": "a", "question": "When?", "answers": ["noon"]}) + "\n"


def services_of(client: TestClient) -> Services:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def upload(client: TestClient, name: str, *files: tuple[str, str], **query: Any) -> Any:
    parts = [("files", (file_name, text.encode(), "text/plain")) for file_name, text in files]
    return client.post("/v1/eval-sets/upload", params={"name": name, **query}, files=parts)


def test_a_set_is_uploaded_listed_and_exported(client: TestClient) -> None:
    created = upload(client, "hours", ("q.jsonl", LINES))
    assert created.status_code == 201, created.text
    body = created.json()
    assert (body["name"], body["ready"], body["review"], body["corpus_documents"]) == ("hours", 1, 0, 0)
    assert client.get("/v1/eval-sets").json()["items"] == [body]
    [case] = client.get(f"/v1/eval-sets/{body['id']}/cases").json()["items"]
    assert (case["key"], case["answers"], case["answerable"], case["origin"]) == ("a", ["noon"], True, "file")
    exported = client.get(f"/v1/eval-sets/{body['id']}/export").text
    assert json.loads(exported) == {"id": "a", "question": "When?", "answers": ["noon"], "answerable": True}
    again = upload(client, "hours", ("q.jsonl", LINES))
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_a_bad_file_leaves_nothing_behind_and_names_its_line(client: TestClient) -> None:
    refused = upload(client, "hours", ("q.csv", "question,answerable\nWhen?,yes\nWho?,maybe\n"))
    assert (refused.status_code, refused.json()["code"]) == (422, "eval_file_invalid")
    assert refused.json()["cause"].startswith("q.csv, line 3:")
    assert client.get("/v1/eval-sets").json() == {"items": []}
    folder = services_of(client).settings.data_dir / "blobs"
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_three_files_are_one_beir_set(client: TestClient) -> None:
    corpus = json.dumps({"_id": "d1", "title": "Gate", "text": "Opens at six."}) + "\n"
    query = json.dumps({"_id": "1", "text": "gate hours"}) + "\n"
    files = (("corpus.jsonl", corpus), ("queries.jsonl", query), ("qrels.tsv", "1\td1\t1\n"))
    body = upload(client, "judged", *files).json()
    assert (body["ready"], body["corpus_documents"]) == (1, 1)
    assert client.delete(f"/v1/eval-sets/{body['id']}").status_code == 204
    with services_of(client).sessions() as session:
        assert repository.count_corpus(session, body["id"]) == 0


def test_the_index_of_a_set_is_removed_when_the_set_is_gone_for_good(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the transaction others would wait for the removal, and a failed commit would come too late."""
    set_id = upload(client, "hours", ("q.jsonl", LINES)).json()["id"]
    seen: list[int] = []

    def look(settings: Settings, removed: int) -> None:
        assert removed == set_id
        seen.append(client.get(f"/v1/eval-sets/{set_id}").status_code)

    monkeypatch.setattr(endpoints, "remove_corpus_folders", look)
    assert client.delete(f"/v1/eval-sets/{set_id}").status_code == 204
    assert seen == [404]


def test_questions_are_written_changed_reviewed_and_deleted(client: TestClient) -> None:
    set_id = client.post("/v1/eval-sets", json={"name": "mine"}).json()["id"]
    path = f"/v1/eval-sets/{set_id}/cases"
    case = client.post(path, json={"question": "When?", "status": "review"}).json()
    assert (case["key"], case["status"], case["answerable"]) == ("q1", "review", None)
    assert client.get(path, params={"status": "ready"}).json()["total"] == 0
    taken = client.post(path, json={"key": "q1", "question": "Who?"})
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    torn = client.post(path, json={"question": "Who?", "answerable": False, "answers": ["Ines"]})
    assert (torn.status_code, torn.json()["code"]) == (422, "request_invalid")
    assert client.post(path, json={"question": "Who?", "answer": "Ines"}).status_code == 422

    values = {"question": "When?", "answers": ["noon"], "answerable": True, "tags": ["hours"]}
    changed = client.put(f"/v1/eval-cases/{case['id']}", json=values).json()
    assert (changed["key"], changed["status"], changed["answers"]) == ("q1", "ready", ["noon"])
    assert client.get(f"/v1/eval-sets/{set_id}").json()["tags"] == ["hours"]
    assert client.delete(f"/v1/eval-cases/{case['id']}").status_code == 204
    assert client.get(path).json() == {"items": [], "total": 0}


def test_a_set_is_renamed_and_asks_another_collection(client: TestClient) -> None:
    for name in ("one", "two"):
        client.post("/v1/eval-sets", json={"name": name})
    collection_id = client.get("/v1/collections").json()["items"][0]["id"]
    changed = client.patch("/v1/eval-sets/1", json={"collection_id": collection_id}).json()
    assert (changed["name"], changed["collection_id"]) == ("one", collection_id)
    assert client.patch("/v1/eval-sets/1", json={"name": "two"}).json()["code"] == "conflict"
    assert (
        client.patch("/v1/eval-sets/1", json={"collection_id": 99}).json()["code"] == "collection_not_found"
    )


def message(client: TestClient, *questions: str, **values: Any) -> int:
    """The id of the last message of a conversation with these questions."""
    with services_of(client).sessions.begin() as session:
        owner_id = values.pop("owner_id", 1)
        conversation = Conversation(owner_id=owner_id, title="Hours")
        session.add(conversation)
        session.flush()
        rows = [
            Message(owner_id=owner_id, conversation_id=conversation.id, question=question, state="answered")
            for question in questions
        ]
        rows[-1].sources = values.get("sources")
        session.add_all(rows)
        session.flush()
        return rows[-1].id


SOURCE = {"document_id": 3, "file_name": "a.pdf", "page": 2, "text": "The gate opens at six."}


def test_a_bad_answer_becomes_a_question_with_history_gold_and_correction(client: TestClient) -> None:
    message_id = message(client, "When does the gate open?", "And on Sundays?", sources=[SOURCE])
    case = client.post("/v1/eval-cases/from-message", json={"message_id": message_id}).json()
    assert (case["status"], case["answerable"], case["answers"]) == ("review", None, [])
    assert case["history"] == ["When does the gate open?"]
    assert case["gold"][0] | {"id": None} == {
        "id": None,
        "document_id": 3,
        "file": "a.pdf",
        "page": 2,
        "quote": SOURCE["text"],
        "grade": 1,
    }
    body = {"message_id": message_id, "correction": "At eight", "comment": "Sundays differ."}
    corrected = client.post("/v1/eval-cases/from-message", json=body).json()
    assert corrected["id"] == case["id"]  # said again: replaced, not added
    assert (corrected["status"], corrected["answers"], corrected["origin"]) == (
        "ready",
        ["At eight"],
        "feedback",
    )
    assert corrected["notes"][-1] == "Sundays differ."
    again = client.post("/v1/eval-cases/from-message", json={"message_id": message_id}).json()
    assert (again["status"], again["answers"]) == ("ready", ["At eight"])  # nothing new: nothing taken back
    unanswerable = {"message_id": message_id, "answerable": False}
    assert client.post("/v1/eval-cases/from-message", json=unanswerable).json()["gold"] == []
    [feedback] = client.get("/v1/eval-sets").json()["items"]
    assert (feedback["name"], feedback["ready"]) == ("From feedback", 1)


def test_of_a_long_conversation_the_last_questions_are_kept(client: TestClient) -> None:
    message_id = message(client, *(f"Question {number}?" for number in range(61)))
    case = client.post("/v1/eval-cases/from-message", json={"message_id": message_id})
    assert case.status_code == 201, case.text
    assert case.json()["history"] == [f"Question {number}?" for number in range(10, 60)]


def test_what_belongs_to_somebody_else_does_not_exist(client: TestClient) -> None:
    services = services_of(client)
    other = second_user(services.sessions)
    case_id, set_id = theirs(services.sessions, other)
    mine = message(client, "When?")
    foreign = message(client, "Secret?", owner_id=other.id)
    case = {"question": "Mine?"}
    requests: list[tuple[str, str, Any, str]] = [
        ("GET", f"/v1/eval-sets/{set_id}", None, "eval_set_not_found"),
        ("PATCH", f"/v1/eval-sets/{set_id}", {"name": "mine"}, "eval_set_not_found"),
        ("DELETE", f"/v1/eval-sets/{set_id}", None, "eval_set_not_found"),
        ("GET", f"/v1/eval-sets/{set_id}/cases", None, "eval_set_not_found"),
        ("POST", f"/v1/eval-sets/{set_id}/cases", case, "eval_set_not_found"),
        ("GET", f"/v1/eval-sets/{set_id}/export", None, "eval_set_not_found"),
        ("GET", f"/v1/eval-cases/{case_id}", None, "eval_case_not_found"),
        ("PUT", f"/v1/eval-cases/{case_id}", case, "eval_case_not_found"),
        ("DELETE", f"/v1/eval-cases/{case_id}", None, "eval_case_not_found"),
        ("POST", "/v1/eval-cases/from-message", {"message_id": foreign}, "not_found"),
        ("POST", "/v1/eval-cases/from-message", {"message_id": mine, "set_id": set_id}, "eval_set_not_found"),
    ]
    for method, path, body, code in requests:
        response = client.request(method, path, json=body)
        assert (response.status_code, response.json()["code"]) == (404, code), (method, path)
    assert client.get("/v1/eval-sets").json() == {"items": []}
    with services.sessions() as session:
        assert session.get_one(EvalCase, case_id).question == "Secret?"


def theirs(sessions: Sessions, other: Account) -> tuple[int, int]:
    with sessions.begin() as session:
        row = service.create(session, other, "theirs", None)
        return service.add_case(session, other, row.id, CaseIn(question="Secret?")).id, row.id


def test_sets_on_both_databases(sessions: Sessions, user: Account) -> None:
    with sessions.begin() as session:
        row = service.create(session, user, "mine", None)
        service.add_case(session, user, row.id, CaseIn(question="When?", answerable=True, answers=["noon"]))
        set_id = row.id
    with sessions() as session:
        [case] = repository.ready_cases(session, set_id)
        assert (case.key, case.answers, case.answerable) == ("q1", ("noon",), True)
    with sessions.begin() as session:
        repository.delete_set(session, service.require(session, user, set_id))
    with sessions() as session:
        assert service.list_all(session, user).items == []


def test_a_set_has_an_end(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_CASES", 1)
    assert upload(client, "hours", ("q.jsonl", LINES)).status_code == 201
    refused = client.post("/v1/eval-sets/1/cases", json={"question": "Who?"})
    assert (refused.status_code, refused.json()["code"]) == (422, "eval_set_too_large")
