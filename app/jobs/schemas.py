"""Jobs over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict

from app.schemas import ResponseModel

JOB_EXAMPLE: dict[str, Any] = {
    "id": 23,
    "document_id": 17,
    "status": "running",
    "stage": "embed",
    "stage_done": 32,
    "stage_total": 48,
    "attempts": 1,
    "error": None,
    "created_at": "2026-11-22T08:30:00Z",
    "updated_at": "2026-11-22T08:30:02Z",
}


class JobError(ResponseModel):
    """Why the last try failed."""

    code: str
    stage: str
    cause: str
    next_step: str


class JobOut(ResponseModel):
    """`dead` means that it will not be tried again by itself."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [JOB_EXAMPLE]})

    id: int
    document_id: int
    status: Literal["queued", "running", "done", "dead"]
    stage: str
    stage_done: int
    stage_total: int
    attempts: int
    error: JobError | None
    created_at: datetime
    updated_at: datetime
