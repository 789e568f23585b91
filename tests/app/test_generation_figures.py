"""`footnote eval generation`: the filter of generated questions, measured on the fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.evals.commands import evals_app
from app.services import Services
from app.settings import Settings
from tests.app.test_eval_generation import ASKED, FERRY, Asking

REEF = (
    "Ines Valko led the survey of the northern reef until she retired in 2016 with a small party, and "
    "her deputy took over after her in the same year."
)
PARROT = (
    "The northern reef was mapped once more by a survey that Ines Valko led no longer, as she "
    "kept a parrot in the lighthouse and would not leave it alone for a day."
)


@pytest.fixture
def generator() -> Asking:
    return Asking()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        {"id": "a", "text": FERRY, "asked": [{"question": ASKED["ferry"], "answers": [FERRY]}]},
        {
            "id": "b",
            "text": REEF,
            "asked": [{"question": ASKED["reef"], "answers": ["until she retired in 2016"]}],
        },
        {"id": "c", "text": PARROT},
    ]
    path = tmp_path / "passages.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def measured(
    settings: Settings, build: Callable[[Settings], Services], monkeypatch: pytest.MonkeyPatch, file: Path
) -> Callable[..., Any]:
    monkeypatch.setattr("app.wiring.build_services", build)
    monkeypatch.setattr("app.settings.load_settings", lambda: settings)
    return lambda *options: CliRunner().invoke(evals_app, ["generation", str(file), *options])


def figures(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return {
        group: {name: (each["value"], each["n"]) for name, each in measures.items()}
        for group, measures in found.items()
    }


def test_people_s_questions_pass_with_their_passage_and_answers_are_held_against_theirs(
    measured: Callable[..., Any],
) -> None:
    found = figures(measured("--json"))["people's"]
    assert found["kept with their passage"] == (1.0, 2)
    # The fake answers with any passage's words, so only what search puts first tells the passages apart.
    assert found["kept with a near miss"] == (0.0, 2)
    assert found["answer right, of those kept"] == (
        0.5,
        2,
    )  # a whole passage is no right answer of four words
    assert found["answer right, of those dropped"] == (None, 0)


def test_generated_questions_are_told_apart_by_what_became_of_them(
    measured: Callable[..., Any], generator: Asking
) -> None:
    generator.questions["ferry"] = "What did she do about the ferry of the Wend?"
    result = measured("--show", "--json")
    found = figures(result)
    assert found["generated"] == {"kept": (0.5, 2), "dropped_points_outside": (0.5, 2)}
    assert found["kept"]["asked for by people"] == (0.0, 1)
    assert found["kept"]["found in the first 5"] == (1.0, 1)
    assert found["dropped"]["answered by its passage"] == (1.0, 1)
    assert f"kept: {ASKED['reef']} => {REEF}" in result.stdout.splitlines()
    assert f"points_outside: {generator.questions['ferry']} => {FERRY}" in result.stdout.splitlines()


def test_the_seed_fixes_which_passages_are_asked_about(measured: Callable[..., Any]) -> None:
    shown = {
        seed: measured("--passages", "1", "--seed", str(seed), "--show").stdout.splitlines()[0]
        for seed in range(6)
    }
    assert len(set(shown.values())) == 2  # the third passage was asked about by nobody
    assert measured("--passages", "1", "--seed", "3", "--show").stdout.splitlines()[0] == shown[3]


def test_a_file_without_passages_is_refused_by_its_line(measured: Callable[..., Any], file: Path) -> None:
    file.write_text('{"id": "a", "text": ""}\n')
    assert "line 1: text" in str(measured().exception)
