"""Eval runs over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.errors import ErrorBody
from app.evals.types import EvalKind, Outcome, RunStatus
from app.schemas import Name, RequestModel, ResponseModel, RowId

INTERVAL: dict[str, Any] = {"value": 0.81, "low": 0.73, "high": 0.88, "n": 100}
EXAMPLE: dict[str, Any] = {
    "id": 1,
    "kind": "answers",
    "name": "handbook questions",
    "status": "done",
    "set_id": 1,
    "done": 100,
    "total": 100,
    "config": {"configuration": "settings", "reranker": "footnote-reranker@0123456789ab"},
    "metrics": {"f1": INTERVAL},
    "error": None,
    "created_at": "2026-11-22T08:30:00Z",
    "finished_at": "2026-11-22T08:31:00Z",
}

SetKind = Literal["answers", "retrieval", "positions", "noise"]


class EvalRunOut(ResponseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    id: int
    kind: EvalKind
    name: str
    status: RunStatus
    set_id: int | None = Field(default=None, description="None for a run over a file, from the command line.")
    done: int = 0
    total: int = 0
    config: dict[str, Any]
    metrics: dict[str, Any] | None
    error: ErrorBody | None
    created_at: datetime
    finished_at: datetime | None


class EvalRunList(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})

    items: list[EvalRunOut]


class RunStart(RequestModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"set_id": 1, "configuration": "reads more"}]}
    )

    set_id: RowId
    kind: SetKind = "answers"
    configuration: Name | None = Field(
        default=None, description="A saved search configuration; without it the one in force."
    )
    limit: int | None = Field(default=None, ge=1, description="Only the first so many questions.")
    tag: Name | None = Field(default=None, description="Only questions with this tag.")
    judge: Name | None = Field(
        default=None,
        description="The configured judge's model, for `answers`: questions, answers and cited passages are "
        "sent to its endpoint. Without it nothing is.",
    )


class JudgeOut(ResponseModel):
    """The judge that a run may name."""

    model: str
    host: str
    prompt_version: str


class JudgeList(ResponseModel):
    items: list[JudgeOut] = Field(description="One, or none where none is configured.")


class ResultOut(ResponseModel):
    key: str
    variant: str
    question: str
    outcome: Outcome
    scores: dict[str, float]
    detail: dict[str, Any]


class ResultList(ResponseModel):
    items: list[ResultOut]
    total: int


class DifferenceOut(ResponseModel):
    baseline: float
    candidate: float
    delta: dict[str, Any] = Field(description="Candidate minus baseline, with its 95% bootstrap interval.")
    p: float
    test: Literal["permutation", "mcnemar"]
    significant: bool
    better: bool | None = Field(
        description="Whether the candidate is better; None: not significantly different."
    )


class CaseDifference(ResponseModel):
    """One question in both runs."""

    key: str
    variant: str
    question: str
    change: Literal["better", "worse", "different", "same"]
    baseline: ResultOut
    candidate: ResultOut


class Comparison(ResponseModel):
    baseline_run_id: int
    candidate_run_id: int
    questions: int = Field(description="Questions that both runs scored.")
    only_in_one: int = Field(description="Questions of one run alone, or that one of them could not score.")
    changed_config: dict[str, list[Any]] = Field(description="What differs: [baseline, candidate].")
    measures: dict[str, DifferenceOut]
    cases: list[CaseDifference] = Field(description="Questions that changed first: worse, better, different.")
