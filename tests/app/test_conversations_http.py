"""Chats over HTTP: replaced questions, listening again, feedback, rename, search, export, links; on fakes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.jobs.worker import run_worker
from app.services import GenerateOptions, Services
from app.tables import Message
from tests.fakes import EchoGenerator, fake_ingest_models

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"
QUESTION = "How often runs the Wend ferry?"
DEAD_WRITER = "elsewhere-never|1|0.00|00000000"


@pytest.fixture
def ferry(client: TestClient) -> Services:
    """The service with one document ready."""
    client.post("/v1/documents", files=[("files", ("ferry.md", FERRY.encode(), "text/markdown"))])
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    models, stop = fake_ingest_models(), threading.Event()
    run_worker(services.settings, services.engine, services.blobs, models, stop=stop, until_idle=True)
    return services


def ask(client: TestClient, question: str = QUESTION, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/ask", json={"question": question, **body})
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def turns(client: TestClient, conversation_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/conversations/{conversation_id}").json()["messages"]
    return found


def heard(client: TestClient, message_id: int) -> list[tuple[str, dict[str, Any]]]:
    blocks = client.get(f"/v1/messages/{message_id}/events").text.strip().split("\n\n")
    pairs = [block.split("\n", 1) for block in blocks]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def test_an_edited_question_replaces_the_old_one_and_what_followed(
    client: TestClient, ferry: Services
) -> None:
    first = ask(client)
    ask(client, "What does a return ticket cost?", conversation_id=first["conversation_id"])

    edited = ask(client, "How often runs the ferry?", replaces_message_id=first["message_id"])

    assert edited["conversation_id"] == first["conversation_id"]
    assert edited["replaces_message_id"] == first["message_id"]
    assert [turn["question"] for turn in turns(client, first["conversation_id"])] == [
        "How often runs the ferry?"
    ]
    assert client.get(f"/v1/messages/{first['message_id']}").json() == first  # kept, for whoever has its id


def test_a_replaced_question_is_no_history_of_a_follow_up(
    client: TestClient, ferry: Services, generator: EchoGenerator
) -> None:
    first = ask(client)
    again = ask(client, "What does a return ticket cost?", replaces_message_id=first["message_id"])
    generator.prompts.clear()
    generator.answer = " It runs [1]"
    ask(client, "And at night?", conversation_id=again["conversation_id"])

    assert "How often" not in generator.prompts[0]
    assert "return ticket" in generator.prompts[0]


def test_a_message_is_replaced_once_and_only_in_its_own_conversation(
    client: TestClient, ferry: Services
) -> None:
    first, other = ask(client), ask(client)
    body = {"question": QUESTION, "replaces_message_id": first["message_id"]}
    wrong = client.post("/v1/ask", json=body | {"conversation_id": other["conversation_id"]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "request_invalid")
    ask(client, replaces_message_id=first["message_id"])
    twice = client.post("/v1/ask", json=body)
    assert (twice.status_code, twice.json()["code"]) == (409, "conflict")
    gone = client.post("/v1/ask", json=body | {"replaces_message_id": 999})
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_a_rewrite_can_be_given_instead_of_written(
    client: TestClient, ferry: Services, generator: EchoGenerator
) -> None:
    first = ask(client)
    generator.prompts.clear()
    words = "What does a return ticket for the Wend ferry cost?"
    second = ask(client, "And a ticket?", conversation_id=first["conversation_id"], standalone_question=words)
    assert second["standalone_question"] == words
    assert len(generator.prompts) == 1  # the answer's; none for a rewrite
    assert words in generator.prompts[0]


def test_whoever_listens_late_hears_the_answer_from_its_beginning(
    client: TestClient, ferry: Services, generator: EchoGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, late = threading.Event(), list[list[tuple[str, dict[str, Any]]]]()

    def slow(prompt: Any, options: GenerateOptions, cancelled: Callable[[], bool]) -> Iterator[str]:
        yield " Every twenty"
        assert go_on.wait(20)
        yield " minutes [1]"

    monkeypatch.setattr(generator, "generate", slow)
    asking = threading.Thread(target=ask, args=(client,))
    asking.start()
    while not ferry.running._running:
        time.sleep(0.01)
    conversation = client.get("/v1/conversations").json()["items"][0]["id"]
    (pending,) = turns(client, conversation)
    listening = threading.Thread(target=lambda: late.append(heard(client, pending["message_id"])))
    log = ferry.running.find(pending["message_id"]).log
    listen = log.listen
    log.listen = lambda: go_on.set() or listen()  # the answer goes on once somebody listens
    listening.start()
    asking.join()
    listening.join()

    names = [name for name, _ in late[0]]
    assert (names[:2], names[-2:]) == (["question", "sources"], ["citations", "done"])
    assert "".join(data["text"] for name, data in late[0] if name == "token") == "Every twenty minutes [1]"
    assert [name for name, _ in heard(client, pending["message_id"])] == ["done"]


@pytest.mark.parametrize("dead", [True, False])
def test_an_answer_whose_server_died_is_marked_at_once_and_can_be_asked_again(
    client: TestClient, ferry: Services, dead: bool
) -> None:
    first = ask(client)
    host = ferry.running.writer.split("|")[0]
    writer = f"{host}|1|1e9|00000000" if dead else DEAD_WRITER  # process 1 started earlier than that
    with ferry.sessions.begin() as session:
        message = session.get_one(Message, first["message_id"])
        message.state, message.writer = "pending", writer

    (turn,) = turns(client, first["conversation_id"])

    assert turn["state"] == ("failed" if dead else "pending")
    if dead:
        assert turn["error"]["code"] == "answer_interrupted"
        assert heard(client, first["message_id"])[0][1]["state"] == "failed"
        assert ask(client, replaces_message_id=first["message_id"])["state"] == "answered"


def test_feedback_is_kept_changed_and_taken_back(client: TestClient, ferry: Services) -> None:
    first = ask(client)
    url = f"/v1/messages/{first['message_id']}/feedback"
    assert first["feedback"] is None
    assert client.put(url, json={"rating": "up"}).json()["feedback"] == {"rating": "up", "comment": None}
    client.put(url, json={"rating": "down", "comment": " The old \0 ticket. "})
    (turn,) = turns(client, first["conversation_id"])
    assert turn["feedback"] == {"rating": "down", "comment": "The old \ufffd ticket."}
    assert client.delete(url).status_code == 204
    assert turns(client, first["conversation_id"])[0]["feedback"] is None


@pytest.mark.parametrize("body", [{}, {"rating": "maybe"}, {"rating": "up", "stars": 5}])
def test_wrong_feedback_is_refused(client: TestClient, ferry: Services, body: dict[str, Any]) -> None:
    url = f"/v1/messages/{ask(client)['message_id']}/feedback"
    assert client.put(url, json=body).status_code == 422


def test_what_is_not_yours_is_not_there(client: TestClient, ferry: Services) -> None:
    first = ask(client)
    with ferry.sessions.begin() as session:
        message = session.get_one(Message, first["message_id"])
        message.owner_id = _another_user(session)
    id_ = first["message_id"]
    for method, path in (
        ("GET", f"/v1/messages/{id_}"),
        ("GET", f"/v1/messages/{id_}/events"),
        ("DELETE", f"/v1/messages/{id_}/feedback"),
        ("POST", f"/v1/messages/{id_}/cancel"),
    ):
        assert client.request(method, path).status_code == 404, path
    assert client.put(f"/v1/messages/{id_}/feedback", json={"rating": "up"}).status_code == 404


def _another_user(session: Any) -> int:
    from app.tables import User

    user = User(name="another")
    session.add(user)
    session.flush()
    return user.id


def test_a_conversation_gets_another_title(client: TestClient, ferry: Services) -> None:
    url = f"/v1/conversations/{ask(client)['conversation_id']}"
    assert client.patch(url, json={"title": "  Ferries "}).json()["title"] == "Ferries"
    assert client.get(url).json()["title"] == "Ferries"
    assert client.patch(url, json={"title": " "}).status_code == 422
    assert (
        client.patch("/v1/conversations/99", json={"title": "x"}).json()["code"] == "conversation_not_found"
    )


def test_search_finds_words_of_answers_and_shows_where(client: TestClient, ferry: Services) -> None:
    first = ask(client)
    ask(client, "Which colour has the parrot?")
    (item,) = client.get("/v1/conversations", params={"search": "TWENTY min"}).json()["items"]
    assert item["id"] == first["conversation_id"]
    assert "twenty minutes" in item["excerpt"]
    assert client.get("/v1/conversations", params={"search": "100%"}).json()["items"] == []


def test_export_holds_every_footnote_and_no_markup_of_documents(
    client: TestClient, ferry: Services, generator: EchoGenerator
) -> None:
    first = ask(client)
    generator.answer = " ![x](http://leak.example/a.png) every *twenty* minutes [1]"
    ask(client, "<b>How</b> often runs the Wend ferry?", conversation_id=first["conversation_id"])
    url = f"/v1/conversations/{first['conversation_id']}/export"

    exported = client.get(url)
    assert (
        exported.headers["content-disposition"] == 'attachment; filename="How-often-runs-the-Wend-ferry.md"'
    )
    assert "## How often runs the Wend ferry?" in exported.text
    assert "[^1-1]: ferry.md: “" in exported.text
    assert "every twenty minutes" in exported.text
    assert "(supported)" in exported.text
    assert "![" not in exported.text
    assert "<b>" not in exported.text.replace("\\<b\\>", "")

    as_json = client.get(url, params={"format": "json"})
    assert as_json.json() == client.get(f"/v1/conversations/{first['conversation_id']}").json()
    assert client.get(url, params={"format": "pdf"}).status_code == 422


def test_a_link_shows_answers_and_cited_passages_until_it_is_revoked(
    client: TestClient, ferry: Services
) -> None:
    first = ask(client)
    share = f"/v1/conversations/{first['conversation_id']}/share"
    assert client.get(share).json()["code"] == "share_not_found"
    token = client.post(share).json()["token"]
    assert len(token) >= 43
    assert client.get(share).json()["token"] == token
    ask(client, "What does a return ticket cost?", conversation_id=first["conversation_id"])

    shared = client.get(f"/v1/shared/{token}")
    assert shared.headers["cache-control"] == "no-store"
    (turn,) = shared.json()["messages"]  # the later one is not shown
    assert (turn["question"], turn["answer"], turn["citations"]) == (
        QUESTION,
        first["answer"],
        first["citations"],
    )
    assert {source["chunk_id"] for source in turn["sources"]} == {
        citation["chunk_id"] for citation in first["citations"]
    }
    assert turn.keys().isdisjoint({"refusal", "timings_ms", "feedback", "message_id"})

    assert client.post(share).json()["token"] == token
    assert len(client.get(f"/v1/shared/{token}").json()["messages"]) == 2
    assert client.delete(share).status_code == 204
    gone = client.get(f"/v1/shared/{token}")
    assert (gone.status_code, gone.json()["code"]) == (404, "share_not_found")
    assert client.post(share).json()["token"] != token


def test_a_deleted_conversation_takes_its_link_with_it(client: TestClient, ferry: Services) -> None:
    url = f"/v1/conversations/{ask(client)['conversation_id']}"
    token = client.post(f"{url}/share").json()["token"]
    assert client.delete(url).status_code == 204
    assert client.get(f"/v1/shared/{token}").status_code == 404
