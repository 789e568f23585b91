"""Eval runs over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict

from app.errors import ErrorBody
from app.schemas import ResponseModel

EXAMPLE: dict[str, Any] = {
    "id": 1,
    "kind": "claims",
    "name": "claims.jsonl",
    "status": "done",
    "config": {"limit": 100, "reranker": "footnote-reranker@0123456789ab"},
    "metrics": {"accuracy_3": {"value": 0.81, "low": 0.73, "high": 0.88, "n": 100}},
    "error": None,
    "created_at": "2026-11-22T08:30:00Z",
    "finished_at": "2026-11-22T08:31:00Z",
}


class EvalRunOut(ResponseModel):
    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [EXAMPLE]})

    id: int
    kind: Literal["answers", "positions", "retrieval", "claims"]
    name: str
    status: Literal["running", "done", "failed"]
    config: dict[str, Any]
    metrics: dict[str, Any] | None
    error: ErrorBody | None
    created_at: datetime
    finished_at: datetime | None


class EvalRunList(ResponseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})

    items: list[EvalRunOut]
