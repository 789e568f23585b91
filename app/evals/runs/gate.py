"""A gate file: what a run must reach for `footnote eval run` to exit with 0. Pure, but for reading the file.

```toml
[[rule]]
metric = "f1"
minimum = 0.6

[[rule]]
metric = "false_answers"
maximum = 0.05

[[rule]]
metric = "ndcg@10"
not_worse_than_run = 12
by_more_than = 0.02
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import InvalidRequest
from app.evals.runs.summary import LOWER_IS_BETTER


class GateInvalid(InvalidRequest):
    """A gate file cannot be used."""

    code = "gate_invalid"
    stage = "evals"
    default_next_step = "Correct the gate file; docs/api.md has an example."


class Rule(BaseModel):
    """One requirement on one measure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(min_length=1)
    minimum: float | None = None
    maximum: float | None = None
    not_worse_than_run: int | None = Field(default=None, ge=1)
    by_more_than: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _requires_something(self) -> Rule:
        if self.minimum is None and self.maximum is None and self.not_worse_than_run is None:
            raise ValueError("a rule needs minimum, maximum or not_worse_than_run")
        return self


class Gate(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: list[Rule] = Field(min_length=1)


Measures = Mapping[str, Any]
"""Measure name to interval, as a run stores them."""


def read_gate(path: Path) -> Gate:
    """Raises GateInvalid with what is wrong."""
    try:
        return Gate.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GateInvalid(f"{path.name}: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise GateInvalid(f"{path.name}, {place}: {first['msg']}.") from error


def violations(gate: Gate, measures: Measures, measures_of_run: Callable[[int], Measures]) -> list[str]:
    """A line for every rule that the run breaks; a measure that has no value breaks its rules."""
    broken: list[str] = []
    for rule in gate.rule:
        value = _value(measures, rule.metric)
        if value is None:
            broken.append(f"{rule.metric} was not measured")
            continue
        if rule.minimum is not None and value < rule.minimum:
            broken.append(f"{rule.metric} is {value:.4f}, below {rule.minimum}")
        if rule.maximum is not None and value > rule.maximum:
            broken.append(f"{rule.metric} is {value:.4f}, above {rule.maximum}")
        if rule.not_worse_than_run is not None:
            broken += _worse(rule, value, _value(measures_of_run(rule.not_worse_than_run), rule.metric))
    return broken


def _worse(rule: Rule, value: float, earlier: float | None) -> list[str]:
    run = f"run {rule.not_worse_than_run}"
    if earlier is None:
        return [f"{rule.metric} was not measured in {run}"]
    worse_by = value - earlier if rule.metric in LOWER_IS_BETTER else earlier - value
    if worse_by <= rule.by_more_than + 1e-12:
        return []
    return [
        f"{rule.metric} is {value:.4f}, worse than {earlier:.4f} of {run} by more than {rule.by_more_than}"
    ]


def _value(measures: Measures, name: str) -> float | None:
    value: float | None = measures.get(name, {}).get("value")
    return value
