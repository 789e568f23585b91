"""Stored runs: their life in SQL, over HTTP and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.evals import service
from app.evals.commands import evals_app
from app.evals.records import EvalFileInvalid
from app.services import Services
from app.settings import Settings
from app.tables import EvalRun, User

METRICS = {"accuracy_3": {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}}


def broken() -> dict[str, Any]:
    raise EvalFileInvalid("claims.jsonl, line 3: not JSON.", file="claims.jsonl", line=3)


def interrupted() -> dict[str, Any]:
    raise KeyboardInterrupt


def stored(services: Services) -> list[EvalRun]:
    with services.sessions() as session:
        return list(session.query(EvalRun).order_by(EvalRun.id))


@pytest.mark.parametrize(
    ("evaluate", "error", "code"),
    [(broken, EvalFileInvalid, "eval_file_invalid"), (interrupted, KeyboardInterrupt, "eval_stopped")],
)
def test_a_run_that_stops_is_kept_as_failed_without_metrics(
    services: Services, evaluate: Callable[[], dict[str, Any]], error: type[BaseException], code: str
) -> None:
    with pytest.raises(error):
        service.record_run(services.sessions, "claims", "claims.jsonl", {}, evaluate)
    [run] = stored(services)
    assert (run.status, run.metrics, run.error and run.error["code"]) == ("failed", None, code)
    assert run.finished_at is not None


def test_a_run_shows_as_running_until_it_is_done(services: Services) -> None:
    def evaluate() -> dict[str, Any]:
        assert [run.status for run in stored(services)] == ["running"]
        return METRICS

    run = service.record_run(services.sessions, "claims", "claims.jsonl", {"limit": 8}, evaluate)
    assert (run.status, run.metrics, run.config) == ("done", METRICS, {"limit": 8})


def test_runs_over_http(client: TestClient) -> None:
    assert client.get("/v1/evals").json() == {"items": []}
    missing = client.get("/v1/evals/1")
    assert (missing.status_code, missing.json()["code"]) == (404, "eval_run_not_found")
    services = client.app.state.services  # type: ignore[attr-defined]
    first = service.record_run(services.sessions, "claims", "a.jsonl", {}, lambda: METRICS)
    second = service.record_run(services.sessions, "answers", "b.jsonl", {}, lambda: METRICS)
    listed = client.get("/v1/evals").json()["items"]
    assert [run["id"] for run in listed] == [second.id, first.id]
    assert client.get(f"/v1/evals/{first.id}").json() == listed[1]
    assert listed[1]["metrics"] == METRICS


def test_another_owners_run_does_not_exist(client: TestClient) -> None:
    services = client.app.state.services  # type: ignore[attr-defined]
    with services.sessions.begin() as session:
        other = User(name="someone else")
        session.add(other)
        session.flush()
        run = EvalRun(owner_id=other.id, kind="claims", name="secret.jsonl")
        session.add(run)
        session.flush()
        run_id = run.id
    assert client.get(f"/v1/evals/{run_id}").status_code == 404
    assert client.get("/v1/evals").json() == {"items": []}


@pytest.fixture
def footnote_eval(
    settings: Settings, build: Callable[[Settings], Services], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`footnote eval` on the fakes, in this test's data folder."""
    monkeypatch.setattr("app.wiring.build_services", build)
    monkeypatch.setattr("app.settings.load_settings", lambda: settings)
    return lambda *arguments: CliRunner().invoke(evals_app, [str(argument) for argument in arguments])


def last_json(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return values


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_retrieval_on_the_command_line(footnote_eval: Callable[..., Any], tmp_path: Path) -> None:
    corpus = jsonl(
        tmp_path / "corpus.jsonl", {"id": "d1", "text": "north gate"}, {"id": "d2", "text": "canteen"}
    )
    queries = jsonl(
        tmp_path / "queries.jsonl", {"id": "q1", "text": "the gate"}, {"id": "q2", "text": "canteen"}
    )
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("query_id\tdoc_id\tscore\nq1\td1\t1\nq2\td2\t1\n")
    files = ("--corpus", corpus, "--queries", queries, "--qrels", qrels)
    values = last_json(footnote_eval("retrieval", *files, "--limit", 1, "--json"))
    for stage in ("dense", "bm25", "fused", "reranked"):
        assert values[stage]["ndcg@10"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}
    plain = footnote_eval("retrieval", *files)
    assert "reranked recall@50" in plain.stdout
    listed = last_json(footnote_eval("list", "--json"))["items"]
    assert [run["id"] for run in listed] == [values["run_id"] + 1, values["run_id"]]
    assert listed[1]["config"]["limit"] == 1
    assert listed[1]["config"]["reranker"] == "overlap"


def test_answers_and_claims_on_the_command_line(footnote_eval: Callable[..., Any], tmp_path: Path) -> None:
    passages = [
        {"id": "p1", "title": "Gate", "text": "The north gate opens at six."},
        {"id": "p2", "title": "Canteen", "text": "Lunch is served at noon."},
    ]
    questions = jsonl(
        tmp_path / "questions.jsonl",
        {
            "id": "1",
            "question": "When does the north gate open?",
            "answers": ["The north gate opens at six"],
            "answerable": True,
            "passages": passages,
            "gold": ["p1"],
        },
        {
            "id": "2",
            "question": "Who painted Guernica?",
            "answers": [],
            "answerable": False,
            "passages": passages,
        },
    )
    values = last_json(footnote_eval("answers", questions, "--json"))
    assert set(values) == {
        "exact_match",
        "f1",
        "citation_precision",
        "citation_recall",
        "refused_when_unanswerable",
        "refused_when_answerable",
        "answered_with_citation",
        "seconds_per_question",
        "failed",
        "run_id",
    }
    for measure in (
        "exact_match",
        "f1",
        "citation_precision",
        "citation_recall",
        "refused_when_unanswerable",
    ):
        assert values[measure]["value"] == 1.0, measure

    claims = jsonl(
        tmp_path / "claims.jsonl",
        {
            "id": "1",
            "claim": "The north gate opens at six.",
            "passages": [passages[0]["text"]],
            "label": "supported",
        },
        {
            "id": "2",
            "claim": "Pigs fly over Rome.",
            "passages": [passages[0]["text"]],
            "label": "not_supported",
        },
    )
    values = last_json(footnote_eval("claims", claims, "--json"))
    assert set(values) == {"balanced_accuracy", "accuracy_3", "calibration_error", "run_id"}
    assert values["balanced_accuracy"]["value"] == 1.0


def test_a_malformed_file_fails_the_run_and_says_where(
    footnote_eval: Callable[..., Any], tmp_path: Path
) -> None:
    claims = tmp_path / "claims.jsonl"
    claims.write_text('{"id": "1", "claim": "x", "passages": [], "label": "perhaps"}\n')
    result = footnote_eval("claims", claims, "--json")
    assert isinstance(result.exception, EvalFileInvalid)
    assert result.stdout == ""
    [run] = last_json(footnote_eval("list", "--json"))["items"]
    assert (run["status"], run["metrics"]) == ("failed", None)
    assert (run["error"]["code"], run["error"]["details"]["line"]) == ("eval_file_invalid", 1)
