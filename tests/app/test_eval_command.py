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


def test_a_file_that_changed_is_read_again_unless_its_set_has_questions_from_elsewhere(
    footnote_eval: Callable[..., Any], files: tuple[Path, Path], client: TestClient
) -> None:
    questions, docs = files

    def asked() -> tuple[int, int]:
        result = footnote_eval("run", questions, "--docs", docs, "--json")
        assert result.exit_code == 0, result.output
        line = json.loads(result.stdout.splitlines()[-1])
        run = client.get(f"/v1/evals/{line['run_id']}").json()
        return run["set_id"], run["total"]

    set_id, count = asked()
    assert count == 2
    with questions.open("a") as file:
        file.write("3,Who paints the ferry?,,no,\n")
    assert asked() == (set_id, 3)
    written = {"question": "Who rows?", "answerable": False}
    assert client.post(f"/v1/eval-sets/{set_id}/cases", json=written).status_code == 201
    questions.write_text("id,question,answers,answerable,gold_file\n4,Who sings?,,no,\n")
    assert asked() == (set_id, 4)


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
