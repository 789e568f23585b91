"""The evidence gate of a collection: thresholds in force, calibration by halves, over HTTP and shell."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.gate import commands
from app.gate.calibration import (
    ScoredQuestion,
    between_scores,
    calibrate,
    curve,
    halves,
    lowest_threshold,
    point,
    share,
)
from app.gate.commands import gate_app
from app.gate.thresholds import gated
from app.services import Services
from retrieval.types import Chunk, Hit, SearchConfig, SearchResult
from tests.app.asking import ask, upload
from tests.app.test_eval_set_runs import ended

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
    found = point(questions, 0.5)
    assert (found.false_answers["value"], found.false_answers["n"]) == (pytest.approx(1 / 3), 3)
    assert (found.false_refusals["value"], found.false_refusals["n"]) == (0.5, 2)


def test_intervals_are_wilsons() -> None:
    assert share(0, 20) == {"value": 0.0, "low": 0.0, "high": pytest.approx(0.1611, abs=1e-4), "n": 20}
    half = share(5, 10)
    assert (half["low"], half["high"]) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert share(0, 0)["value"] is None


def test_the_threshold_is_the_lowest_that_reaches_the_wanted_rate() -> None:
    questions = drawn(200, seed=3)
    threshold = lowest_threshold(questions, 0.05)
    assert (point(questions, threshold).false_answers["value"] or 0) <= 0.05
    lower = [t for t in between_scores(questions) if t < threshold]
    assert lower
    assert all((point(questions, t).false_answers["value"] or 0) > 0.05 for t in lower)


def test_no_false_answer_at_all_can_be_wanted_and_all_can_be_taken() -> None:
    sure = [ScoredQuestion(str(i), 1.0, answerable=i > 3) for i in range(8)]
    assert point(sure, lowest_threshold(sure, 0.0)).false_answers["value"] == 0.0
    assert lowest_threshold(sure, 1.0) == 0.0


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
    assert found.recommended == lowest_threshold(fit, 0.1)
    assert found.fitted == point(fit, found.recommended)
    assert found.measured == point(other, found.recommended)
    assert found.curve == curve(other)
    changed = [q if q in fit else ScoredQuestion(q.key, 1 - q.score, q.answerable) for q in questions]
    assert calibrate(changed, 0.1).recommended == found.recommended
    assert calibrate(changed, 0.1).measured != found.measured


def test_over_many_draws_the_other_half_has_about_the_wanted_rate() -> None:
    rates = [
        calibrate(drawn(200, seed), 0.1).measured.false_answers["value"] or 0.0 for seed in range(100, 140)
    ]
    assert 0.07 < sum(rates) / len(rates) < 0.15  # a fitted rate is a little too good


def test_the_curve_is_short_and_monotone() -> None:
    points = curve(drawn(900, seed=2))
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
        "calibration": None,
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
