"""What the interface reads of eval sets, runs and their comparison."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from ui.schemas import Failure, Read

RunKind = Literal["answers", "retrieval", "positions", "noise"]


class EvalSet(Read):
    id: int
    name: str
    collection_id: int | None
    ready: int  # questions
    review: int  # questions that a person has to look at first


class EvalCase(Read):
    id: int
    question: str
    answers: tuple[str, ...] = ()
    answerable: bool | None = None
    status: str = "ready"
    notes: tuple[str, ...] = ()


class Interval(Read):
    """A mean with its 95% bootstrap interval; no value where nothing could be scored."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class EvalRun(Read):
    id: int
    kind: str
    name: str
    status: str
    set_id: int | None = None
    done: int = 0
    total: int = 0
    config: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] | None = None
    error: Failure | None = None
    created_at: datetime

    @property
    def is_open(self) -> bool:
        """Still to be worked on."""
        return self.status in ("queued", "running")

    def intervals(self) -> dict[str, Interval]:
        """Every measure by its name; those of a stage or a variant stand behind its name."""
        found: dict[str, Interval] = {}
        for name, value in (self.metrics or {}).items():
            if not isinstance(value, dict):
                continue
            if "value" in value:
                found[name] = Interval.model_validate(value)
            else:
                parts = {f"{name} {measure}": each for measure, each in value.items()}
                found |= {
                    label: Interval.model_validate(each)
                    for label, each in parts.items()
                    if isinstance(each, dict) and "value" in each
                }
        return found


class Difference(Read):
    """Of one measure between two runs over the same questions."""

    baseline: float
    candidate: float
    delta: Interval
    p: float
    test: str
    significant: bool
    better: bool | None


class CaseResult(Read):
    outcome: str
    scores: dict[str, Any] = Field(default_factory=dict)
    detail: dict[str, Any] = Field(default_factory=dict)


class CaseDifference(Read):
    question: str
    variant: str = ""
    change: str
    baseline: CaseResult
    candidate: CaseResult


class Comparison(Read):
    questions: int
    only_in_one: int
    changed_config: dict[str, Any] = Field(default_factory=dict)
    measures: dict[str, Difference]
    cases: list[CaseDifference]
