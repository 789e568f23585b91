"""The evidence gate of a collection: thresholds in force, calibration by halves, over HTTP and shell."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.answers.sureness import refusal_offset, sureness_of
from app.gate import commands
from app.gate.calibration import (
    Level,
    ScoredQuestion,
    calibrate,
    curve,
    halves,
    is_answered,
    levels,
    lowest_level,
    point,
    share,
)
from app.gate.commands import gate_app
from app.gate.thresholds import gated
from app.main import create_app
from app.services import GenerateOptions, Services, assemble_services
from app.settings import Settings
from retrieval.types import Chunk, Hit, SearchConfig, SearchResult
from tests.app.asking import ask, upload
from tests.app.test_eval_set_runs import ended
from tests.conftest import client_of
from tests.fakes import EchoGenerator, fake_models

FERRY = "The Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns. Dogs travel free.\n"
HALF_HELD = "Does the ferry carry camels?"  # two of its three words are there: score 0.33 to 0.67


def drawn(count: int, seed: int) -> list[ScoredQuestion]:
    """Scores of answerable questions lie higher, and overlap with the others."""
    rng = random.Random(seed)
    return [
        ScoredQuestion(f"{seed}-{i}", rng.betavariate(*((4, 2) if i % 2 else (2, 4))), bool(i % 2))
        for i in range(count)
    ]


def test_rates_are_shares_of_their_own_kind() -> None:
    questions = [
        ScoredQuestion("a", 0.9, True),
        ScoredQuestion("b", 0.2, True),
        ScoredQuestion("c", 0.5, False),
        ScoredQuestion("d", 0.1, False),
        ScoredQuestion("e", 0.05, False),
    ]
    found = point(questions, Level(0.5))
    assert (found.false_answers["value"], found.false_answers["n"]) == (pytest.approx(1 / 3), 3)
    assert (found.false_refusals["value"], found.false_refusals["n"]) == (0.5, 2)


def test_intervals_are_wilsons() -> None:
    assert share(0, 20) == {"value": 0.0, "low": 0.0, "high": pytest.approx(0.1611, abs=1e-4), "n": 20}
    half = share(5, 10)
    assert (half["low"], half["high"]) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert share(0, 0)["value"] is None


def sure(questions: list[ScoredQuestion], seed: int) -> list[ScoredQuestion]:
    """The same with a sureness that tells them apart better than the score."""
    rng = random.Random(seed)
    return [replace(q, sureness=rng.betavariate(*((6, 2) if q.answerable else (2, 6)))) for q in questions]


@pytest.mark.parametrize("questions", [drawn(200, seed=3), sure(drawn(200, seed=3), seed=4)])
def test_the_level_is_the_lowest_that_reaches_the_wanted_rate(questions: list[ScoredQuestion]) -> None:
    level = lowest_level(questions, 0.05)
    rising = levels(questions)
    assert (point(questions, level).false_answers["value"] or 0) <= 0.05
    lower = rising[: rising.index(level)]
    assert lower
    assert all((point(questions, each).false_answers["value"] or 0) > 0.05 for each in lower)


def test_no_false_answer_at_all_can_be_wanted_and_all_can_be_taken() -> None:
    certain = [ScoredQuestion(str(i), 1.0, answerable=i > 3) for i in range(8)]
    assert point(certain, lowest_level(certain, 0.0)).false_answers["value"] == 0.0
    assert lowest_level(certain, 1.0) == Level(0.0)


def test_threshold_and_sureness_rise_together_and_the_threshold_refuses_no_answerable_question() -> None:
    questions = sure(drawn(200, seed=3), seed=4)
    rising = levels(questions)
    thresholds = [each.threshold for each in rising]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]
    for level in rising:
        alone = Level(0.0, level.min_sureness)
        assert point(questions, level).false_refusals == point(questions, alone).false_refusals
        assert all(not is_answered(q, level) or is_answered(q, alone) for q in questions)


def test_a_better_signal_gives_fewer_false_refusals_on_the_half_that_chose_nothing() -> None:
    of_score = calibrate(drawn(400, seed=3), 0.05).measured
    of_both = calibrate(sure(drawn(400, seed=3), seed=4), 0.05).measured
    assert (of_both.false_refusals["high"] or 1) < (of_score.false_refusals["low"] or 0)


def test_sureness_and_the_logit_that_asks_for_it_meet() -> None:
    for wanted in (0.05, 0.5, 0.93):
        lead = -refusal_offset(wanted)  # of a refusal that just wins once the offset is added
        assert sureness_of(lead) == pytest.approx(wanted)
    assert refusal_offset(0.0) < -20
    assert refusal_offset(1.0) > 20


def test_both_halves_have_as_many_of_each_kind_and_stay_the_same() -> None:
    questions = drawn(60, seed=1)
    fit, other = halves(questions)
    assert {q.key for q in fit}.isdisjoint(q.key for q in other)
    assert [sum(q.answerable for q in half) for half in (fit, other)] == [15, 15]
    assert [len(fit), len(other)] == [30, 30]
    assert halves(questions[::-1]) == (fit, other)


def test_what_is_reported_is_of_the_half_that_chose_nothing() -> None:
    questions = drawn(120, seed=5)
    found = calibrate(questions, 0.1)
    fit, other = halves(questions)
    chosen = lowest_level(fit, 0.1)
    assert found.recommended == chosen.threshold
    assert found.fitted == point(fit, chosen)
    assert found.measured == point(other, chosen)
    assert found.curve == curve(other, levels(fit))
    changed = [q if q in fit else ScoredQuestion(q.key, 1 - q.score, q.answerable) for q in questions]
    assert calibrate(changed, 0.1).recommended == found.recommended
    assert calibrate(changed, 0.1).measured != found.measured


def test_over_many_draws_the_other_half_has_about_the_wanted_rate() -> None:
    rates = [
        calibrate(drawn(200, seed), 0.1).measured.false_answers["value"] or 0.0 for seed in range(100, 140)
    ]
    assert 0.07 < sum(rates) / len(rates) < 0.15  # a fitted rate is a little too good


def test_the_curve_is_short_and_monotone() -> None:
    questions = drawn(900, seed=2)
    points = curve(questions, levels(questions))
    assert len(points) <= 102
    answers = [each.false_answers["value"] or 0.0 for each in points]
    refusals = [each.false_refusals["value"] or 0.0 for each in points]
    assert answers == sorted(answers, reverse=True)
    assert refusals == sorted(refusals)
    assert (answers[0], refusals[0]) == (1.0, 0.0)


def hit(collection_id: int, score: float | None) -> Hit:
    return Hit(Chunk(1, 1, collection_id, "x", "a", 0, 1, None, None, (), 1), None, None, 0.0, score)


@pytest.mark.parametrize(
    ("scores", "own", "expected"),
    [
        ([(1, 0.4), (2, 0.3)], {}, (0.4, 0.5, False)),
        ([(1, 0.4), (2, 0.3)], {1: 0.35}, (0.4, 0.35, True)),
        ([(1, 0.4), (2, 0.3)], {1: 0.9, 2: 0.2}, (0.3, 0.2, True)),
        ([(1, 0.8), (2, 0.3)], {1: 0.9}, (0.8, 0.9, False)),
        ([(3, 0.6)], {1: 0.9}, (0.6, 0.5, True)),
        ([], {1: 0.9}, (None, 0.5, False)),
    ],
)
def test_each_passage_is_held_against_its_own_collections_threshold(
    scores: list[tuple[int, float]], own: dict[int, float], expected: tuple[float | None, float, bool]
) -> None:
    config = SearchConfig(evidence_threshold=0.5)
    hits = tuple(hit(*each) for each in scores)
    best = hits[0].rerank if hits else None
    result = gated(SearchResult(hits, best, best is not None and best >= 0.5, 0.5), own, config)
    assert (result.best_score, result.threshold, result.enough_evidence) == expected


def collection(client: TestClient, name: str) -> int:
    return int(client.post("/v1/collections", json={"name": name}).json()["id"])


def test_a_collections_own_threshold_is_in_force_until_a_request_says_otherwise(client: TestClient) -> None:
    boats = collection(client, "Boats")
    upload(client, {"ferry.txt": FERRY}, boats)
    assert client.get(f"/v1/collections/{boats}/gate").json() == {
        "collection_id": boats, "threshold": None, "default": 0.3, "in_force": 0.3, "stale": False,
        "min_sureness": None, "default_sureness": 0.5, "sureness_in_force": 0.5, "calibration": None,
    }  # fmt: skip
    assert ask(client, HALF_HELD, collection_ids=[boats])["state"] == "answered"
    changed = client.put(f"/v1/collections/{boats}/gate", json={"threshold": 0.9}).json()
    assert (changed["threshold"], changed["in_force"]) == (0.9, 0.9)
    refused = ask(client, HALF_HELD)
    assert (refused["refusal"]["reason"], refused["refusal"]["threshold"]) == ("weak_evidence", 0.9)
    searched = client.post("/v1/search", json={"question": HALF_HELD}).json()["evidence"]
    assert (searched["threshold"], searched["enough"]) == (0.9, False)
    assert ask(client, HALF_HELD, config={"evidence_threshold": 0.2})["state"] == "answered"
    client.put(f"/v1/collections/{boats}/gate", json={"threshold": None})
    assert ask(client, HALF_HELD)["state"] == "answered"


LINES = [
    *({"id": f"a{i}", "question": f"Does the ferry run, variant {i}?", "answerable": True} for i in range(8)),
    *({"id": f"n{i}", "question": f"Does the camel x{i} dance?", "answerable": False} for i in range(8)),
    {"id": "unknown", "question": "Whose ferry is it?", "gold": ["ferry.txt"]},
]
TEXT = "\n".join(json.dumps(line) for line in LINES) + "\n"


@pytest.fixture
def boats(client: TestClient) -> int:
    boats = collection(client, "Boats")
    upload(client, {"ferry.txt": FERRY + "The ferry does run."}, boats)
    upload(client, {"other.txt": "The camel x1 does dance."})  # of another collection: never searched
    return boats


def eval_set(client: TestClient, text: str = TEXT) -> int:
    files = [("files", ("q.jsonl", text.encode(), "text/plain"))]
    made = client.post("/v1/eval-sets/upload", params={"name": "Boat questions"}, files=files)
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


def test_a_gate_is_calibrated_on_an_eval_set_and_shown(client: TestClient, boats: int) -> None:
    path = f"/v1/collections/{boats}/gate"
    body = {"eval_set_id": eval_set(client), "wanted_false_answers": 0.0}
    gate = client.post(f"{path}/calibrate", json=body).json()
    found = gate["calibration"]
    assert gate["threshold"] is None  # shown first
    assert (found["answerable"], found["unanswerable"], found["set_name"]) == (8, 8, "Boat questions")
    assert found["measured"]["false_answers"] == {
        "value": 0.0, "low": 0.0, "high": pytest.approx(0.4899, abs=1e-4), "n": 4,
    }  # fmt: skip
    assert found["measured"]["false_refusals"]["value"] == 0.0
    assert found["measured"]["threshold"] == found["recommended"]
    assert found["current"]["threshold"] == 0.3
    assert client.get(path).json() == gate
    applied = client.post(f"{path}/calibrate", json={**body, "apply": True}).json()
    assert applied["in_force"] == applied["threshold"] == found["recommended"]


def test_a_calibration_in_the_background_gives_the_same(client: TestClient, boats: int) -> None:
    path = f"/v1/collections/{boats}/gate"
    body = {"eval_set_id": eval_set(client), "wanted_false_answers": 0.0}
    at_once = client.post(f"{path}/calibrate", json=body).json()["calibration"]
    started = client.post(f"{path}/calibrations", json={**body, "apply": True})
    assert (started.status_code, started.json()["kind"]) == (202, "calibrate")
    run = ended(client, started.json()["id"])
    assert (run["done"], run["total"]) == (17, 17)
    assert run["metrics"]["false_answers"] == at_once["measured"]["false_answers"]
    gate = client.get(path).json()
    unalike = {"created_at": None}
    assert gate["calibration"] | unalike == at_once | unalike
    assert gate["threshold"] == at_once["recommended"]
    unknown = client.get(f"/v1/evals/{run['id']}/results", params={"outcome": "unscorable"}).json()
    assert [row["key"] for row in unknown["items"]] == ["unknown"]


def test_too_few_questions_are_an_error_that_says_which_are_missing(client: TestClient, boats: int) -> None:
    text = "".join(json.dumps(line) + "\n" for line in LINES[:10])
    response = client.post(
        f"/v1/collections/{boats}/gate/calibrate", json={"eval_set_id": eval_set(client, text)}
    )
    assert (response.status_code, response.json()["code"]) == (422, "gate_not_calibrated")
    assert "2 unanswerable questions, at least 4" in response.json()["cause"]
    [known] = client.get("/v1/eval-sets").json()["items"]
    started = client.post(f"/v1/collections/{boats}/gate/calibrations", json={"eval_set_id": known["id"]})
    assert (started.status_code, started.json()["code"]) == (422, "gate_not_calibrated")
    assert client.get("/v1/evals").json()["items"] == []  # nothing was searched in vain


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("get", "/v1/collections/99/gate", None, "collection_not_found"),
        ("put", "/v1/collections/99/gate", {"threshold": 0.2}, "collection_not_found"),
        ("put", "/v1/collections/1/gate", {"threshold": 1.2}, "request_invalid"),
        ("put", "/v1/collections/1/gate", {}, "request_invalid"),
        ("post", "/v1/collections/99/gate/calibrate", {"eval_set_id": 1}, "collection_not_found"),
        ("post", "/v1/collections/1/gate/calibrate", {"eval_set_id": 99}, "eval_set_not_found"),
    ],
)
def test_errors_have_codes(client: TestClient, method: str, path: str, body: Any, code: str) -> None:
    response = client.request(method, path, json=body)
    assert response.json()["code"] == code


def test_the_shell_calibrates_shows_and_sets(
    client: TestClient, boats: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def services() -> Iterator[Services]:
        yield client.app.state.services  # type: ignore[attr-defined]

    monkeypatch.setattr(commands, "_services", commands.contextmanager(services))
    (tmp_path / "q.jsonl").write_text(TEXT)
    runner = CliRunner()
    arguments = ["calibrate", str(tmp_path / "q.jsonl"), "--collection", "Boats", "--wanted", "0", "--apply"]
    done = runner.invoke(gate_app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    gate = json.loads(done.stdout.splitlines()[-1])
    assert gate == client.get(f"/v1/collections/{boats}/gate").json()
    assert gate["threshold"] == gate["calibration"]["recommended"]
    assert "8 answerable and 8 unanswerable" in done.stdout
    shown = runner.invoke(gate_app, ["show", "--collection", "Boats"]).stdout
    assert f"threshold in force {gate['threshold']:.3f} (its own" in shown
    reset = runner.invoke(gate_app, ["set", "default", "--collection", "Boats"]).stdout
    assert "threshold in force 0.300 (the default)" in reset
    assert runner.invoke(gate_app, ["set", "2"]).exit_code == 2


CAMELS_LEAD = 2.0  # of a refusal, where the question is about camels


def lead(question: str) -> float:
    return CAMELS_LEAD if "camel" in question else -CAMELS_LEAD


class WaryGenerator(EchoGenerator):
    """Refuses at the first token, as an answerer does: where a refusal leads once the offset is added."""

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        if options.may_refuse and lead(segments[-1]) + options.refusal_offset > 0:
            return iter([f" {self.template.no_answer}"])
        return super().generate(segments, options, cancelled)


@pytest.fixture
def wary(settings: Settings) -> Iterator[Services]:
    models = replace(fake_models(WaryGenerator()), refusal_lead=lambda segments, *_: lead(segments[-1]))
    services = assemble_services(settings, models)
    yield services
    services.close()


def test_a_collection_asks_for_more_or_less_sureness(wary: Services) -> None:
    with client_of(create_app(wary.settings, lambda _: wary)) as client:
        boats = collection(client, "Boats")
        upload(client, {"ferry.txt": FERRY}, boats)
        path = f"/v1/collections/{boats}/gate"
        assert ask(client, HALF_HELD)["refusal"]["reason"] == "no_answer_found"
        client.put(path, json={"threshold": None, "min_sureness": 0.05})  # sure to 0.12 is enough
        assert ask(client, HALF_HELD)["state"] == "answered"
        assert ask(client, "Does the ferry run?")["state"] == "answered"
        client.put(path, json={"threshold": None, "min_sureness": 0.95})  # sure to 0.88 is not
        assert ask(client, "Does the ferry run?")["refusal"]["reason"] == "no_answer_found"


def test_figures_ask_the_other_half_and_find_what_was_predicted(
    wary: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def services() -> Iterator[Services]:
        yield wary

    monkeypatch.setattr(commands, "_services", commands.contextmanager(services))
    passage = [{"id": "p", "title": "", "text": FERRY}]
    asked = [("Does the ferry run", True)] * 8 + [("Does the ferry carry camels", False)] * 8
    lines = [
        {"id": str(i), "question": f"{text}?", "answerable": answerable, "passages": passage}
        for i, (text, answerable) in enumerate(asked)
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["figures", str(tmp_path / "q.jsonl"), "--wanted", "0", "--json"]
    done = CliRunner().invoke(gate_app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout.splitlines()[-1])
    assert [row["name"] for row in found["asked"]] == ["default", "at most 0%"]
    for row in found["asked"]:
        assert (row["false_answers"]["value"], row["false_refusals"]["value"]) == (0.0, 0.0)
        assert (row["false_answers"]["n"], row["as_predicted"]) == (4, 8)
    wary.models.generator.answer = ""  # type: ignore[attr-defined]  # what no signal foretells
    found = json.loads(CliRunner().invoke(gate_app, arguments).stdout.splitlines()[-1])
    assert [row["false_refusals"]["value"] for row in found["asked"]] == [1.0, 1.0]
    assert [row["as_predicted"] for row in found["asked"]] == [4, 4]
