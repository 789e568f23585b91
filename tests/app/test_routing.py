"""Two decoders: which one writes, also when the larger is busy, and what `footnote models` says of them."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app import cli, wiring
from app.accounts.service import local_account
from app.answers.routing import GeneratorUnknown, route
from app.answers.types import GeneratorChoice, Route
from app.evals import repository
from app.jobs.worker import run_worker
from app.main import create_app
from app.services import LargerGenerator, Services, assemble_services
from app.settings import Settings
from model.registry import ModelCard
from tests.conftest import client_of
from tests.fakes import EchoGenerator, fake_ingest_models, fake_models

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"


@pytest.mark.parametrize(
    ("choice", "best_score", "overloaded", "expected"),
    [
        ("auto", 0.9, False, Route("default", "strong_evidence")),
        ("auto", 0.5, False, Route("default", "strong_evidence")),
        ("auto", 0.4, False, Route("larger", "weak_evidence")),
        ("auto", None, False, Route("larger", "weak_evidence")),
        ("auto", 0.4, True, Route("default", "larger_overloaded")),
        ("larger", 0.9, False, Route("larger", "asked_for")),
        ("larger", 0.9, True, Route("default", "larger_overloaded")),
        ("default", 0.1, False, Route("default", "asked_for")),
    ],
)
def test_the_rule(
    choice: GeneratorChoice, best_score: float | None, overloaded: bool, expected: Route
) -> None:
    assert route(choice, best_score, larger_below=0.5, has_larger=True, is_overloaded=overloaded) == expected


def test_without_a_larger_decoder_there_is_one_way() -> None:
    assert route("auto", 0.1, larger_below=0.5, has_larger=False, is_overloaded=False) == Route()
    with pytest.raises(GeneratorUnknown):
        route("larger", 0.1, larger_below=0.5, has_larger=False, is_overloaded=False)


class Larger(EchoGenerator):
    id = "echo-large"


class Busy:
    """Whether the larger decoder has too much to do; tests turn it on."""

    now = False


@pytest.fixture
def busy() -> Busy:
    return Busy()


@pytest.fixture
def services(settings: Settings, busy: Busy) -> Services:
    larger = LargerGenerator(Larger("Written by the larger one. [1]"), lambda: busy.now)
    return assemble_services(settings, dataclasses.replace(fake_models(), larger=larger))


@pytest.fixture
def client(settings: Settings, services: Services) -> Iterator[TestClient]:
    with client_of(create_app(settings, lambda _: services)) as opened:
        files = [("files", ("ferry.md", FERRY.encode(), "text/markdown"))]
        assert opened.post("/v1/documents", files=files).status_code == 202
        run_worker(
            services.settings,
            services.engine,
            services.blobs,
            fake_ingest_models(),
            stop=threading.Event(),
            until_idle=True,
        )
        yield opened


STRONG, WEAK = "What does a return ticket cost?", "Which return ticket suits a zeppelin pilot?"


def written_by(client: TestClient, question: str, **body: str) -> tuple[str, str, str]:
    """Who wrote, and the route with its reason, as the stored trace has them."""
    response = client.post("/v1/ask", json={"question": question, **body})
    assert response.status_code == 200, response.text
    conversation = client.get(f"/v1/conversations/{response.json()['conversation_id']}").json()
    trace = conversation["messages"][-1].get("trace") or stored_trace(client, response.json()["message_id"])
    return trace["models"]["generator"], trace["route"]["generator"], trace["route"]["reason"]


def stored_trace(client: TestClient, message_id: int) -> dict[str, dict[str, str]]:
    from app.tables import Message

    services: Services = client.app.state.services  # type: ignore[attr-defined]
    with services.sessions() as session:
        trace: dict[str, dict[str, str]] = session.get_one(Message, message_id).trace
        return trace


def test_weak_evidence_goes_to_the_larger_decoder(client: TestClient) -> None:
    assert written_by(client, STRONG) == ("echo", "default", "strong_evidence")
    assert written_by(client, WEAK) == ("echo-large", "larger", "weak_evidence")


def test_a_question_may_name_its_decoder(client: TestClient) -> None:
    assert written_by(client, STRONG, generator="larger") == ("echo-large", "larger", "asked_for")
    assert written_by(client, WEAK, generator="default") == ("echo", "default", "asked_for")


def test_a_busy_larger_decoder_leaves_questions_to_the_other(client: TestClient, busy: Busy) -> None:
    busy.now = True
    assert written_by(client, WEAK) == ("echo", "default", "larger_overloaded")


def test_an_unknown_decoder_is_refused_before_the_question_is_saved(settings: Settings) -> None:
    with client_of(create_app(settings, lambda _: assemble_services(settings, fake_models()))) as client:
        refused = client.post("/v1/ask", json={"question": STRONG, "generator": "larger"})
        assert (refused.status_code, refused.json()["code"]) == (422, "generator_unknown")
        assert "zeppelin" not in client.get("/v1/conversations").text
        assert client.get("/v1/conversations").json() in ([], {"items": []})


@pytest.fixture
def models(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, dict[str, list[dict[str, object]]]]]:
    """Runs `footnote models` on one card and fake generators; returns what it prints and its JSON."""
    weights = tmp_path / "decoder.gguf"
    weights.write_bytes(b"0" * 3_000_000)
    card = ModelCard("tiny@0", "decoder", "Apache-2.0", "somewhere", "ab", weights)
    monkeypatch.setattr(wiring, "model_cards", lambda _: [card])
    monkeypatch.setattr(cli, "load_settings", lambda: settings)
    long = EchoGenerator("one two three four five six seven eight")
    monkeypatch.setattr(wiring, "build_services", lambda _: assemble_services(settings, fake_models(long)))

    def run(*options: str) -> tuple[str, dict[str, list[dict[str, object]]]]:
        done = CliRunner().invoke(cli.app, ["models", "--json", *options])
        assert done.exit_code == 0, done.output
        return done.output, json.loads(done.output.splitlines()[-1])

    return run


def test_models_are_listed_with_size_and_licence(
    models: Callable[..., tuple[str, dict[str, list[dict[str, object]]]]],
) -> None:
    shown, found = models()
    assert "3 MB, Apache-2.0, sha256 ab" in shown
    assert found["models"][0]["size_bytes"] == 3_000_000
    assert found["generators"] is None


def test_speed_is_measured_and_quality_comes_from_the_latest_eval(
    settings: Settings, models: Callable[..., tuple[str, dict[str, list[dict[str, object]]]]]
) -> None:
    shown, found = models("--speed")
    assert "quality not measured here" in shown
    speed = found["generators"][0]["speed"]
    assert isinstance(speed, dict)
    assert speed["prompt_tokens"] == 400
    assert speed["prompt_tokens_per_s"] > 0
    services = assemble_services(settings, fake_models())
    with services.sessions.begin() as session:
        owner = local_account(session).id
        for value in (0.5, 0.75):
            run = repository.add(session, owner, "answers", "set.jsonl", {"generator": "echo"})
            repository.finish(session, run.id, {"f1": {"value": value, "low": 0, "high": 1, "n": 4}})
        failed = repository.add(session, owner, "answers", "other.jsonl", {"generator": "echo"})
        repository.fail(session, failed.id, {})
    services.close()
    shown, found = models("--speed")
    assert "on set.jsonl: f1 0.75" in shown
