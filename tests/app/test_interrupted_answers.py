"""Answers that somebody else writes, that nobody writes any more, and that nobody wants any more.

Over HTTP on fakes, on SQLite and PostgreSQL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.answers import message_endpoints
from app.answers.repository import PENDING_TIMEOUT
from app.services import GenerateOptions, Services
from app.settings import Settings, load_settings
from app.tables import Message, utc_now
from tests.app.asking import ask, events, parsed_events, upload
from tests.fakes import EchoGenerator

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"
QUESTION = "How often runs the Wend ferry?"
ELSEWHERE = "another-host|1|0.00|00000000"

pytestmark = pytest.mark.timeout(60)  # a stream without an end


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    folder = tmp_path / "data"
    return load_settings({}, data_dir=folder, database_url=database_url, evidence_threshold=0.3)


@pytest.fixture
def ferry(client: TestClient) -> Services:
    """The service with one document ready."""
    upload(client, {"ferry.md": FERRY})
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def change(services: Services, message_id: int, **values: Any) -> None:
    with services.sessions.begin() as session:
        message = session.get_one(Message, message_id)
        for name, value in values.items():
            setattr(message, name, value)


def grow_old(services: Services, message_id: int) -> None:
    change(services, message_id, created_at=utc_now() - PENDING_TIMEOUT - timedelta(seconds=1))


@pytest.fixture
def elsewhere(client: TestClient, ferry: Services) -> dict[str, Any]:
    """An answer that a process on another host is writing."""
    message = ask(client, QUESTION)
    change(ferry, message["message_id"], state="pending", writer=ELSEWHERE)
    return message


def latest(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/messages").json()["items"][0]
    return found


def after_a_look(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> None:
    """Does it once, when the stream has seen the message pending."""
    settle, deeds = message_endpoints.settle, [deed]

    def looking(services: Services, messages: list[Message]) -> list[Message]:
        found = settle(services, messages)
        if deeds:
            deeds.pop()()
        return found

    monkeypatch.setattr(message_endpoints, "settle", looking)
    monkeypatch.setattr(message_endpoints, "LOOK_S", 0.01)


def listened(client: TestClient, message_id: int) -> list[tuple[str, dict[str, Any]]]:
    return parsed_events(client.get(f"/v1/messages/{message_id}/events").text)


def test_whoever_listens_is_told_when_the_writer_on_another_host_is_given_up(
    client: TestClient, ferry: Services, elsewhere: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    after_a_look(monkeypatch, lambda: grow_old(ferry, elsewhere["message_id"]))
    ((name, told),) = listened(client, elsewhere["message_id"])
    assert (name, told["state"], told["error"]["code"]) == ("done", "failed", "answer_interrupted")


def test_whoever_listens_is_told_when_the_conversation_is_deleted(
    client: TestClient, elsewhere: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    after_a_look(monkeypatch, lambda: client.delete(f"/v1/conversations/{elsewhere['conversation_id']}"))
    ((name, told),) = listened(client, elsewhere["message_id"])
    assert (name, told["code"], told["status_code"]) == ("error", "not_found", 404)


def test_an_answer_that_takes_long_is_not_given_up_by_the_process_that_writes_it(
    client: TestClient, ferry: Services, generator: EchoGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def slow(prompt: Any, options: GenerateOptions, cancelled: Callable[[], bool]) -> Iterator[str]:
        yield " Every twenty"
        grow_old(ferry, latest(client)["message_id"])
        seen.append(latest(client)["state"])
        yield " minutes [1]"

    monkeypatch.setattr(generator, "generate", slow)
    assert ask(client, QUESTION)["state"] == "answered"
    assert seen == ["pending"]


def test_only_the_process_that_writes_an_answer_can_stop_it(
    client: TestClient, ferry: Services, elsewhere: dict[str, Any]
) -> None:
    path = f"/v1/messages/{elsewhere['message_id']}/cancel"
    refused = client.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "written_elsewhere")
    assert latest(client)["state"] == "pending"

    grow_old(ferry, elsewhere["message_id"])
    assert (client.post(path).status_code, client.post(path).json()["state"]) == (202, "finished")
    assert latest(client)["state"] == "failed"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_stops_when_its_conversation_is_deleted(
    client: TestClient,
    ferry: Services,
    generator: EchoGenerator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stream: bool,
) -> None:
    stopped = []

    def unwanted(prompt: Any, options: GenerateOptions, cancelled: Callable[[], bool]) -> Iterator[str]:
        yield " Every twenty"
        assert client.delete(f"/v1/conversations/{latest(client)['conversation_id']}").status_code == 204
        stopped.append(cancelled())
        yield " minutes [1]"

    monkeypatch.setattr(generator, "generate", unwanted)
    if stream:
        name, told = events(client, "/v1/ask", {"question": QUESTION})[-1]
        assert (name, told["status_code"]) == ("error", 404)
    else:
        response = client.post("/v1/ask", json={"question": QUESTION})
        assert response.status_code == 404
        told = response.json()
    assert (told["code"], told["cause"]) == ("conversation_not_found", "The conversation was deleted.")
    assert stopped == [True]
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
