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


class GoldPlace(Read):
    """Where an answer stands in the user's documents, or by id in the set's own."""

    file: str | None = None
    page: int | None = None
    quote: str | None = None


class EvalCase(Read):
    id: int
    question: str
    answers: tuple[str, ...] = ()
    answerable: bool | None = None
    status: str = "ready"
    notes: tuple[str, ...] = ()
    gold: tuple[GoldPlace, ...] = ()


class Interval(Read):
    """A mean with its 95% bootstrap interval; no value where nothing could be scored."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Judge(Read):
    """A large model that a run may name."""

    model: str
    host: str
    prompt_version: str

    @property
    def notice(self) -> str:
        """What naming it means."""
        return f"Questions, expected answers, answers and cited passages leave this machine for {self.host}."


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
    """What came back for one question of a run."""

    question: str = ""
    variant: str = ""
    outcome: str
    scores: dict[str, Any] = Field(default_factory=dict)
    detail: dict[str, Any] = Field(default_factory=dict)

    @property
    def said(self) -> str:
        """The answer, what was found, or why there is neither."""
        detail = self.detail
        if error := detail.get("error"):
            return str(error.get("cause", "It failed."))
        if detail.get("state") == "refused":
            return "Refused: the documents don't say."
        if answer := detail.get("answer"):
            written = detail.get("question")
            return str(answer) if written is None else f"{written} {answer}"
        if found := detail.get("found"):
            return f"Found: {', '.join(dict.fromkeys(map(str, found)))}"
        return str(detail.get("reason") or self.outcome)

    @property
    def figures(self) -> str:
        """Its scores in one line; that it did not fail goes without saying."""
        shown = {name: value for name, value in self.scores.items() if name != "failed" or value}
        return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in shown.items())


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
