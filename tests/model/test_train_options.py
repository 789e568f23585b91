"""The command lines of the recipes: fields set from outside, the command that a card repeats."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from model.train.options import begin, command_line, machine, run_options
from model.train.trainer import Recipe


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run_options(parser, Recipe(), "data")
    return parser.parse_args(["--data", "d", "--out", "o", "--threads", "1", *arguments])


def test_fields_are_set_in_their_types() -> None:
    chosen = parsed(
        "--minutes", "5", "--set", "list_size=8", "--set", "peak_rate=2e-4", "--set", "max_pair_tokens=8,16"
    )
    recipe = begin(chosen, Recipe())
    assert (recipe.minutes, recipe.list_size, recipe.peak_rate) == (5.0, 8, 2e-4)
    assert recipe.max_pair_tokens == (8, 16)


@pytest.mark.parametrize("assignment", ["rate=1", "minutes=3", "list_size=many"])
def test_what_the_recipe_does_not_have_is_refused(assignment: str) -> None:
    with pytest.raises(ValueError, match=r"the recipe has no|invalid literal"):
        begin(parsed("--set", assignment), Recipe())


def test_the_card_repeats_the_command() -> None:
    chosen = parsed("--steps", "9", "--set", "list_size=8")
    assert command_line("model.train.reranker", chosen, "--base x") == (
        "python -m model.train.reranker --data DATA/train --out FOLDER --steps 9 --seed 7"
        " --set list_size=8 --base x"
    )
    assert machine()


def test_the_command_leaves_the_name_of_a_file_open(tmp_path: Path) -> None:
    file = tmp_path / "secret-project.jsonl"
    file.touch()
    command = command_line("model.train.answerer", parsed("--data", str(file)))
    assert command.startswith("python -m model.train.answerer --data QUESTIONS.jsonl --out FOLDER")
