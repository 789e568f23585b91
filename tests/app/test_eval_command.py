"""`footnote eval run`: a set or a file on the command line, held against a gate, on the fakes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.evals.commands import evals_app
from app.evals.runs.gate import GateInvalid, read_gate
from app.services import Services
from app.settings import Settings
from tests.app.test_eval_set_runs import ECHOED, FERRY
from tests.conftest import ROOT


@pytest.fixture
def footnote_eval(
    settings: Settings, build: Callable[[Settings], Services], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    monkeypatch.setattr("app.wiring.build_services", build)
    monkeypatch.setattr("app.settings.load_settings", lambda: settings)
    return lambda *arguments: CliRunner().invoke(evals_app, [str(argument) for argument in arguments])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A file of questions and a folder of documents."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "ferry.md").write_text(FERRY)
    questions = tmp_path / "q.csv"
    questions.write_text(
        "id,question,answers,answerable,gold_file\n"
        f"1,How often runs the Wend ferry?,{ECHOED},yes,ferry.md\n"
        "2,Which colour has the lighthouse keeper's parrot?,,no,\n"
    )
    return questions, docs


def gate(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    return path


def test_a_gate_lets_a_good_run_pass_and_a_regression_fail(
    footnote_eval: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    questions, docs = files
    good = gate(
        tmp_path,
        '[[rule]]\nmetric = "f1"\nminimum = 0.9\n[[rule]]\nmetric = "false_answers"\nmaximum = 0.05\n',
    )
    passed = footnote_eval("run", questions, "--docs", docs, "--gate", good, "--json")
    assert passed.exit_code == 0, passed.output
    first = json.loads(passed.stdout.splitlines()[-1])
    assert (first["f1"]["value"], first["broken"]) == (1.0, [])

    same = gate(tmp_path, f'[[rule]]\nmetric = "f1"\nnot_worse_than_run = {first["run_id"]}\n')
    assert footnote_eval("run", questions, "--docs", docs, "--gate", same).exit_code == 0
    (docs / "ferry.md").write_text("# Ferry\n\nNothing is known about it.\n")
    worse = footnote_eval("run", questions, "--docs", docs, "--gate", same)
    assert worse.exit_code == 1
    assert f"worse than 1.0000 of run {first['run_id']}" in worse.stderr
    missing = gate(tmp_path, '[[rule]]\nmetric = "f2"\nminimum = 0\n')
    broken = footnote_eval("run", questions, "--docs", docs, "--gate", missing)
    assert (broken.exit_code, broken.stderr.splitlines()[-1]) == (1, "gate: f2 was not measured")


CHANGED = "id,question,answers,answerable,gold_file\n4,Who sings?,,no,\n"


@pytest.fixture
def asked(footnote_eval: Callable[..., Any], client: TestClient) -> Callable[..., tuple[int, int, str]]:
    """Runs a file; gives the id of its set, the number of questions asked and what was told."""

    def run(*arguments: object) -> tuple[int, int, str]:
        result = footnote_eval("run", *arguments, "--json")
        assert result.exit_code == 0, result.output
        line = json.loads(result.stdout.splitlines()[-1])
        run = client.get(f"/v1/evals/{line['run_id']}").json()
        return run["set_id"], run["total"], result.stderr

    return run


def questions_of(client: TestClient, set_id: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"/v1/eval-sets/{set_id}/cases").json()["items"]
    return items


def test_a_file_that_changed_is_read_again(
    asked: Callable[..., tuple[int, int, str]], files: tuple[Path, Path], client: TestClient
) -> None:
    questions, docs = files
    set_id, count, told = asked(questions, "--docs", docs)
    assert count == 2
    ids = [case["id"] for case in questions_of(client, set_id)]
    assert asked(questions)[:2] == (set_id, 2)
    assert [case["id"] for case in questions_of(client, set_id)] == ids
    assert "changed" not in told

    with questions.open("a") as file:
        file.write("3,Who paints the ferry?,,no,\n")
    again = asked(questions, "--docs", docs)
    assert again[:2] == (set_id, 3)
    assert f"{questions} has changed: its eval set is read again." in again[2]


def correct(client: TestClient, set_id: int, case: dict[str, Any]) -> None:
    values = {"question": case["question"], "answers": ["every hour"], "answerable": True}
    assert client.put(f"/v1/eval-cases/{case['id']}", json=values).status_code == 200


def remove(client: TestClient, set_id: int, case: dict[str, Any]) -> None:
    assert client.delete(f"/v1/eval-cases/{case['id']}").status_code == 204


def write(client: TestClient, set_id: int, case: dict[str, Any]) -> None:
    written = {"question": "Who rows?", "answerable": False}
    assert client.post(f"/v1/eval-sets/{set_id}/cases", json=written).status_code == 201


@pytest.mark.parametrize("edit", [correct, remove, write])
def test_what_people_changed_in_the_set_of_a_file_is_never_undone(
    footnote_eval: Callable[..., Any],
    asked: Callable[..., tuple[int, int, str]],
    files: tuple[Path, Path],
    client: TestClient,
    edit: Callable[[TestClient, int, dict[str, Any]], None],
) -> None:
    questions, docs = files
    set_id = asked(questions, "--docs", docs)[0]
    edit(client, set_id, questions_of(client, set_id)[0])
    edited = questions_of(client, set_id)
    assert asked(questions)[:2] == (set_id, len(edited))
    assert questions_of(client, set_id) == edited

    questions.write_text(CHANGED)
    refused = footnote_eval("run", questions).exception
    assert refused.code == "eval_set_edited"
    assert f"footnote eval run {set_id}" in refused.next_step
    assert questions_of(client, set_id) == edited
    assert asked(set_id)[:2] == (set_id, len(edited))
    elsewhere = questions.rename(questions.with_name("other.csv"))
    assert asked(elsewhere)[1] == 1


def test_a_set_that_no_file_was_read_into_is_run_as_it_is(
    asked: Callable[..., tuple[int, int, str]], files: tuple[Path, Path], client: TestClient
) -> None:
    questions, docs = files
    with questions.open("rb") as stream:
        client.post("/v1/eval-sets/upload", params={"name": str(questions)}, files={"files": stream})
    questions.write_text(CHANGED)
    set_id, count, told = asked(questions, "--docs", docs)
    assert count == 2
    assert "is run as it is" in told

    client.patch(f"/v1/eval-sets/{set_id}", json={"name": "uploaded"})
    of_file = asked(questions)[0]
    assert of_file != set_id
    client.patch(f"/v1/eval-sets/{of_file}", json={"name": str(files[0].with_name("renamed.csv"))})
    renamed = questions.rename(questions.with_name("renamed.csv"))
    with renamed.open("a") as file:
        file.write("5,Who dances?,,no,\n")
    assert asked(renamed)[:2] == (of_file, 1)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[[rule]", "Expected"),
        ("", "rule"),
        ('[[rule]]\nmetric = "f1"\n', "needs minimum"),
        ('[[rule]]\nmetric = "f1"\nminimun = 1\n', "minimun"),
    ],
)
def test_a_gate_that_says_nothing_is_refused_before_anything_runs(
    footnote_eval: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path, text: str, cause: str
) -> None:
    result = footnote_eval("run", files[0], "--gate", gate(tmp_path, text))
    assert isinstance(result.exception, GateInvalid)
    assert cause in result.exception.cause


def test_a_run_on_the_command_line_that_fails_says_why(
    footnote_eval: Callable[..., Any], tmp_path: Path
) -> None:
    absent = footnote_eval("run", "nowhere")
    assert getattr(absent.exception, "code", None) == "eval_set_not_found"
    kind = footnote_eval("run", "nowhere", "--kind", "claims")
    assert getattr(kind.exception, "code", None) == "request_invalid"


def test_the_gate_of_the_docs_can_be_used(tmp_path: Path) -> None:
    [example] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), flags=re.DOTALL)
    rules = read_gate(gate(tmp_path, example)).rule
    assert [rule.metric for rule in rules] == ["f1", "false_answers", "ndcg@10"]
