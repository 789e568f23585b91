"""Follow-ups over HTTP: the last turn's passages stay candidates, and a rewrite can be put right."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from app.services import Services
from app.tables import Message
from tests.app.asking import ask, events, upload
from tests.fakes import EchoGenerator

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"
REEF = "# Reef\n\nDr. Ines Valko led the survey of the northern reef until 2016.\n"
NARROW = {"dense_k": 1, "bm25_k": 1}  # each index finds one passage: another one can only be carried


def retrieved(client: TestClient, message_id: int) -> list[dict[str, Any]]:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    with services.sessions() as session:
        trace = session.get_one(Message, message_id).trace
    assert trace is not None
    found: list[dict[str, Any]] = trace["retrieved"]
    return found


def test_what_the_last_answer_cited_stays_a_candidate_and_is_ranked(client: TestClient) -> None:
    upload(client, {"ferry.md": FERRY, "reef.md": REEF})
    first = ask(client, "How often runs the Wend ferry?")
    cited = first["citations"][0]["chunk_id"]
    body = {"conversation_id": first["conversation_id"], "config": NARROW}
    second = ask(client, "Who led the survey of the northern reef?", **body)
    hits = retrieved(client, second["message_id"])
    assert [hit["chunk_id"] for hit in hits if hit["carried"]] == [cited]
    assert hits[0]["chunk_id"] != cited  # ranked like the others, below what answers
    assert hits[1]["rerank"] < hits[0]["rerank"]
    alone = ask(client, "Who led the survey of the northern reef?", config=NARROW)
    assert cited not in [hit["chunk_id"] for hit in retrieved(client, alone["message_id"])]


def test_a_carried_passage_obeys_the_scope_and_a_deletion(client: TestClient) -> None:
    ferry, reef = upload(client, {"ferry.md": FERRY, "reef.md": REEF})
    first = ask(client, "How often runs the Wend ferry?")
    body = {"conversation_id": first["conversation_id"]}
    second = ask(client, "Who led the survey of the northern reef?", document_ids=[reef], **body)
    assert {source["document_id"] for source in second["sources"]} == {reef}
    first = ask(client, "How often runs the Wend ferry?")
    body = {"conversation_id": first["conversation_id"]}
    client.delete(f"/v1/documents/{ferry}")
    third = ask(client, "Who led the survey of the northern reef?", **body)
    assert {source["document_id"] for source in third["sources"]} == {reef}


def test_only_the_last_turn_is_carried(client: TestClient) -> None:
    upload(client, {"ferry.md": FERRY, "reef.md": REEF})
    first = ask(client, "How often runs the Wend ferry?")
    conversation = first["conversation_id"]
    ask(client, "Which colour has the parrot of the lighthouse?", conversation_id=conversation)
    third = ask(client, "Who led the northern survey?", conversation_id=conversation)
    assert not any(hit["carried"] for hit in retrieved(client, third["message_id"]))


def test_a_standalone_question_of_ones_own_is_taken_as_it_is(
    client: TestClient, generator: EchoGenerator
) -> None:
    upload(client, {"ferry.md": FERRY})
    first = ask(client, "How often runs the Wend ferry?")
    mine = "What does a return ticket of the Wend ferry cost?"
    second = ask(client, "And it?", standalone_question=mine, conversation_id=first["conversation_id"])
    assert (second["question"], second["standalone_question"]) == ("And it?", mine)
    assert not any("Last question" in prompt for prompt in generator.prompts)


def test_a_message_is_asked_again_with_an_edited_rewrite(client: TestClient) -> None:
    ferry, _ = upload(client, {"ferry.md": FERRY, "reef.md": REEF})
    first = ask(client, "And it?", document_ids=[ferry], config={"top_k": 2})
    path = f"/v1/messages/{first['message_id']}/ask"
    mine = "What does a return ticket of the Wend ferry cost?"
    told = events(client, path, {"standalone_question": mine})
    done = told[-1][1]
    assert done["message_id"] != first["message_id"]
    assert done["conversation_id"] == first["conversation_id"]
    assert (done["question"], done["standalone_question"]) == ("And it?", mine)
    assert {source["document_id"] for source in done["sources"]} == {ferry}  # the scope is the message's
    plain = client.post(path, json={"standalone_question": mine}).json()
    assert plain["answer"] == done["answer"]


def test_asking_again_needs_a_message_of_ones_own_that_was_answered(client: TestClient) -> None:
    response = client.post("/v1/messages/99/ask", json={"standalone_question": "What?"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    first = ask(client, "And it?")
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    with services.sessions.begin() as session:
        session.get_one(Message, first["message_id"]).trace = None
    response = client.post(f"/v1/messages/{first['message_id']}/ask", json={"standalone_question": "What?"})
    assert (response.status_code, response.json()["code"]) == (409, "not_answered_yet")
