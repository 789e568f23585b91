"""Jobs over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.schemas import RequestModel, ResponseModel
from app.tables import Document, Job

PROGRESS_EXAMPLE: dict[str, Any] = {
    "stage": "embed",
    "done": 32,
    "total": 48,
    "stages": [
        {"stage": "stored", "done": 1, "total": 1},
        {"stage": "parse", "done": 12, "total": 12},
        {"stage": "chunk", "done": 48, "total": 48},
        {"stage": "embed", "done": 32, "total": 48},
    ],
    "seconds_left": 1.4,
    "attempts": 1,
    "last_error": None,
}
JOB_EXAMPLE: dict[str, Any] = {
    "id": 23,
    "document_id": 17,
    "status": "running",
    "stage": "embed",
    "stage_done": 32,
    "stage_total": 48,
    "seconds_left": 1.4,
    "stages": PROGRESS_EXAMPLE["stages"],
    "attempts": 1,
    "error": None,
    "run_after": "2026-11-22T08:30:00Z",
    "started_at": "2026-11-22T08:30:00Z",
    "created_at": "2026-11-22T08:30:00Z",
    "updated_at": "2026-11-22T08:30:02Z",
}


class JobError(ResponseModel):
    """Why reading failed, where, and what to do about it."""

    code: str
    stage: str
    file: str | None = None
    page: int | None = None
    cause: str
    next_step: str


class StageCountOut(ResponseModel):
    """Pages of `parse`, passages of `chunk` and `embed`; a total of 0 is not known yet."""

    model_config = ConfigDict(from_attributes=True)

    stage: str
    done: int
    total: int


class JobProgressOut(ResponseModel):
    """How far the running job is. Stages overlap: passages are embedded while later pages are read."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROGRESS_EXAMPLE]})

    stage: str
    done: int
    total: int
    stages: list[StageCountOut] = Field(default_factory=list)
    seconds_left: float | None = None
    attempts: int = 0
    last_error: JobError | None = Field(None, description="Why the last try failed; another follows.")

    @classmethod
    def of(cls, job: Job) -> JobProgressOut:
        """The progress that a job's row holds."""
        stages = [StageCountOut.model_validate(count) for count in job.stages or ()]
        return cls(
            stage=job.stage,
            done=job.stage_done,
            total=job.stage_total,
            stages=stages,
            seconds_left=job.seconds_left,
            attempts=job.attempts,
            last_error=None if job.error is None else JobError.model_validate(job.error),
        )


class JobOut(ResponseModel):
    """`dead` means that it will not be tried again by itself."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [JOB_EXAMPLE]})

    id: int
    document_id: int
    status: Literal["queued", "running", "done", "dead"]
    stage: str
    stage_done: int
    stage_total: int
    seconds_left: float | None
    stages: list[StageCountOut] | None
    attempts: int
    error: JobError | None
    run_after: datetime
    started_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ListedJob(JobOut):
    """A job with the name of its file."""

    file_name: str

    @classmethod
    def of(cls, job: Job, document: Document) -> ListedJob:
        values = JobOut.model_validate(job).model_dump()
        return cls(**values, file_name=document.file_name)


class JobList(ResponseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{**JOB_EXAMPLE, "file_name": "handbook.pdf"}]}]}
    )

    items: list[ListedJob]


class JobQuery(RequestModel):
    """How many jobs to list."""

    limit: int = Field(100, ge=1, le=1000)
