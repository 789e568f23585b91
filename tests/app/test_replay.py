"""A stored answer is written again over HTTP and from the shell: the same tokens, or what has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.answers.local import replayed
from app.main import create_app
from app.services import GenerateOptions, Services, assemble_services
from app.settings import Settings
from app.tables import ChunkRow, Message
from tests.app.asking import ask, events, upload
from tests.conftest import client_of
from tests.fakes import EchoGenerator, fake_models

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"
QUESTION = "How often runs the Wend ferry?"


@pytest.fixture
def answer(client: TestClient, generator: EchoGenerator) -> dict[str, Any]:
    upload(client, {"ferry.md": FERRY})
    generator.answer = " The Wend ferry runs every twenty minutes. [1]"
    return ask(client, QUESTION)


def services_of(client: TestClient) -> Services:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def replay(client: TestClient, message_id: int) -> dict[str, Any]:
    response = client.post(f"/v1/messages/{message_id}/replay")
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def test_an_answer_is_the_same_again(client: TestClient, answer: dict[str, Any]) -> None:
    again = replay(client, answer["message_id"])
    assert (again["identical"], again["difference"], again["changes"]) == (True, None, [])
    assert again["tokens"] == 8
    assert again["text"].strip() == answer["answer"]
    text = replayed(services_of(client), answer["message_id"]).text
    assert text == "Identical: 8 tokens in 1 runs of the decoder."


def test_the_first_different_token_is_named(
    client: TestClient, answer: dict[str, Any], generator: EchoGenerator
) -> None:
    generator.answer = " The Wend ferry swims every twenty minutes. [1]"
    generator.id = "echo-2"
    again = replay(client, answer["message_id"])
    assert not again["identical"]
    assert again["difference"]["token"] == 3
    assert again["difference"]["then"].startswith("runs every")
    assert again["difference"]["now"].startswith("swims every")
    assert again["changes"] == [{"what": "generator", "then": "echo", "now": "echo-2"}]


def test_changed_and_deleted_passages_are_named_and_the_answer_is_still_replayed(
    client: TestClient, answer: dict[str, Any]
) -> None:
    with services_of(client).sessions.begin() as session:
        row = session.get_one(ChunkRow, answer["citations"][0]["chunk_id"])
        row.text = row.text.replace("twenty", "thirty")
    (change,) = replay(client, answer["message_id"])["changes"]
    assert change["what"] == "passage 1 of ferry.md"
    assert change["then"] != change["now"]
    client.delete(f"/v1/documents/{answer['citations'][0]['document_id']}")
    again = replay(client, answer["message_id"])
    assert again["identical"]
    assert again["changes"][0]["now"] == "deleted or indexed again"


def test_a_replay_keeps_no_passages(
    client: TestClient, answer: dict[str, Any], generator: EchoGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their documents may have been deleted, and what a decoder keeps on disk tells their text."""
    kept = []
    generate = generator.generate

    def noting(
        segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        kept.append(options.keep_passages)
        return generate(segments, options, cancelled)

    monkeypatch.setattr(generator, "generate", noting)
    assert replay(client, answer["message_id"])["identical"]
    ask(client, QUESTION)
    assert kept == [False, True]


def test_an_answer_that_was_stopped_is_compared_as_far_as_it_goes(
    client: TestClient, answer: dict[str, Any]
) -> None:
    with services_of(client).sessions.begin() as session:
        message = session.get_one(Message, answer["message_id"])
        trace: dict[str, Any] = message.trace or {}
        (run,) = trace["generations"]
        cut = {**run, "token_ids": run["token_ids"][:3], "text": " The Wend ferry"}
        message.state, message.trace = "cancelled", {**trace, "generations": [cut]}
    again = replay(client, answer["message_id"])
    assert (again["identical"], again["tokens"]) == (True, 3)


def test_what_the_decoder_did_not_write_cannot_be_replayed(client: TestClient) -> None:
    refused = ask(client, "Anything?")
    response = client.post(f"/v1/messages/{refused['message_id']}/replay")
    assert (response.status_code, response.json()["code"]) == (409, "nothing_to_replay")
    response = client.post(f"/v1/messages/{refused['message_id']}/influence")
    assert (response.status_code, response.json()["code"]) == (409, "nothing_to_replay")
    assert client.post("/v1/messages/99/replay").json()["code"] == "not_found"


def test_the_trace_shows_stages_prompt_and_candidates(client: TestClient, answer: dict[str, Any]) -> None:
    trace = client.get(f"/v1/messages/{answer['message_id']}/trace").json()
    names = [stage["name"] for stage in trace["stages"]]
    assert {"search", "encode", "rerank", "pack", "generate", "check", "total"} <= set(names)
    starts = {stage["name"]: stage["start_ms"] for stage in trace["stages"]}
    assert starts["search"] <= starts["encode"] <= starts["rerank"] <= starts["pack"] <= starts["generate"]
    (run,) = trace["runs"]
    assert [part["kind"] for part in run["parts"]] == ["preamble", "passage", "question"]
    assert all(part["tokens"] > 0 for part in run["parts"])
    assert QUESTION in run["parts"][-1]["text"]
    (candidate,) = trace["candidates"]
    assert (candidate["in_prompt"], candidate["cited"], candidate["file_name"]) == (True, True, "ferry.md")
    assert candidate["scores"]["rerank"] > 0.3
    assert trace["replayable"]
    assert client.get("/v1/messages/99/trace").status_code == 404


def test_a_refusal_has_a_trace_without_runs(client: TestClient) -> None:
    refused = ask(client, "Anything?")
    trace = client.get(f"/v1/messages/{refused['message_id']}/trace").json()
    assert (trace["runs"], trace["replayable"], trace["state"]) == ([], False, "refused")


def inspection_events(client: TestClient, path: str) -> list[tuple[str, dict[str, Any]]]:
    return events(client, f"{path}?stream=true", {})


def test_a_replay_says_how_far_it_is(client: TestClient, answer: dict[str, Any]) -> None:
    path = f"/v1/messages/{answer['message_id']}"
    told = inspection_events(client, f"{path}/replay")
    assert [(name, data.get("done"), data.get("total")) for name, data in told[:3]] == [
        ("progress", 0, 8), ("progress", 1, 8), ("progress", 2, 8),
    ]  # fmt: skip
    assert told[-1] == ("done", replay(client, answer["message_id"]))
    [(name, error)] = inspection_events(client, f"{path}/influence")  # nothing here weighs words
    assert (name, error["code"], error["status_code"]) == ("error", "nothing_to_replay", 409)
    assert client.post(f"{path}/inspection/cancel").json()["state"] == "finished"
    assert client.post("/v1/messages/99/inspection/cancel").status_code == 404


class Scales:
    """Weighs words by the length of the prompt; from the second reading on it waits to be let go."""

    def __init__(self) -> None:
        self.read = 0
        self.waits = threading.Event()
        self.go_on = threading.Event()

    def logprobs(self, segments: tuple[str, ...], mask: str, tokens: Sequence[int]) -> list[float]:
        self.read += 1
        if self.read == 2:
            self.waits.set()
            self.go_on.wait(10)
        return [-1.0 / len(segments)] * len(tokens)


@pytest.fixture
def scales(settings: Settings) -> Iterator[tuple[TestClient, Scales, str]]:
    scales = Scales()
    models = replace(fake_models(), logprobs=scales.logprobs)
    with client_of(create_app(settings, lambda _: assemble_services(settings, models))) as client:
        texts = {f"{word}.md": f"{FERRY}The {word} is there.\n" for word in ("dog", "boat", "pier")}
        upload(client, texts)
        yield client, scales, f"/v1/messages/{ask(client, QUESTION)['message_id']}"


def test_a_weighing_tells_each_passage(scales: tuple[TestClient, Scales, str]) -> None:
    client, weights, path = scales
    weights.go_on.set()
    told = inspection_events(client, f"{path}/influence")
    steps = [(data["stage"], data["done"], data["total"]) for name, data in told if name == "progress"]
    assert steps == [("prompt", 0, 3), ("passage", 0, 3), ("passage", 1, 3), ("passage", 2, 3)]
    name, found = told[-1]
    assert (name, [each["number"] for each in found["influences"]]) == ("done", [1, 2, 3])
    assert weights.read == 4


def test_a_weighing_is_stopped_between_two_passages(scales: tuple[TestClient, Scales, str]) -> None:
    client, weights, path = scales
    told: list[tuple[str, dict[str, Any]]] = []
    listener = threading.Thread(target=lambda: told.extend(inspection_events(client, f"{path}/influence")))
    listener.start()
    assert weights.waits.wait(10)
    assert client.post(f"{path}/inspection/cancel").json()["state"] == "cancelling"
    weights.go_on.set()
    listener.join(10)
    name, error = told[-1]
    assert (name, error["code"]) == ("error", "inspection_stopped")
    assert weights.read == 2  # the passages that were left were not read
