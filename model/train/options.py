"""What every recipe's command line has in common, and how a card repeats it."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch

from model.device import set_threads


class _Recipe(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


AnyRecipe = TypeVar("AnyRecipe", bound=_Recipe)


def run_options(parser: argparse.ArgumentParser, recipe: _Recipe, data_help: str) -> None:
    """Adds data, out, the length of the run and the recipe's other fields; `recipe` has the defaults."""
    parser.add_argument("--data", type=Path, required=True, help=data_help)
    parser.add_argument("--out", type=Path, required=True, help="folder of the artifact; runs resume from it")
    parser.add_argument("--minutes", type=float, default=vars(recipe)["minutes"])
    parser.add_argument("--steps", type=int, default=None, help="instead of minutes, to repeat a run exactly")
    parser.add_argument("--seed", type=int, default=vars(recipe)["seed"])
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help=f"another value of the recipe: {', '.join(_settable(recipe))}",
    )


def begin(chosen: argparse.Namespace, recipe: AnyRecipe) -> AnyRecipe:
    """The recipe that the command line asks for; logging and threads are set up.

    Raises ValueError for a field that the recipe has not, or a value of another type.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    set_threads(chosen.threads)
    values = dict(_parsed(recipe, assignment) for assignment in chosen.set)
    return dataclasses.replace(recipe, minutes=chosen.minutes, steps=chosen.steps, seed=chosen.seed, **values)


def command_line(module: str, chosen: argparse.Namespace, *others: str) -> str:
    """The command for the card, with the names of folders and of a user's own file left open."""
    data = "QUESTIONS.jsonl" if chosen.data.is_file() else "DATA/train"
    length = f"--minutes {chosen.minutes:g}" if chosen.steps is None else f"--steps {chosen.steps}"
    parts = [f"python -m {module} --data {data} --out FOLDER {length} --seed {chosen.seed}"]
    return " ".join([*parts, *(f"--set {assignment}" for assignment in chosen.set), *others])


def machine() -> str:
    """Where this runs, for the card."""
    if torch.cuda.is_available():
        return f"one {torch.cuda.get_device_name()}"
    return f"a CPU with {len(os.sched_getaffinity(0))} cores"


def _settable(recipe: _Recipe) -> list[str]:
    fields = (field.name for field in dataclasses.fields(recipe))
    return [name for name in fields if name not in ("minutes", "steps", "seed")]


def _parsed(recipe: _Recipe, assignment: str) -> tuple[str, Any]:
    """A field and its value, in the type of the default; numbers of a tuple stand behind commas."""
    name, _, text = assignment.partition("=")
    if name not in _settable(recipe):
        raise ValueError(f"the recipe has no {name!r}, only {', '.join(_settable(recipe))}")
    default = getattr(recipe, name)
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise ValueError(f"{name} is true or false, not {text!r}")
        return name, text == "true"
    if isinstance(default, tuple):
        return name, tuple(int(part) for part in text.split(","))
    return name, type(default)(text)
