"""`/v1/jobs`: how far the reading of documents is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, ReadSession
from app.error_responses import error_responses
from app.errors import JobNotFound
from app.jobs import repository
from app.jobs.schemas import JobList, JobOut, JobQuery, ListedJob
from app.schemas import RowId

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("")
def list_all(query: Annotated[JobQuery, Query()], session: ReadSession, user: CurrentUser) -> JobList:
    """Jobs at work and waiting first, then the newest; each with its stages and its last failure."""
    rows = repository.list_newest(session, user.id, query.limit)
    return JobList(items=[ListedJob.of(job, document) for job, document in rows])


@router.get("/{job_id}", responses=error_responses(JobNotFound))
def read(job_id: RowId, session: ReadSession, user: CurrentUser) -> JobOut:
    """One job; a document's job disappears with the document."""
    job = repository.get(session, user.id, job_id)
    if job is None:
        raise JobNotFound(f"There is no job {job_id}.")
    return JobOut.model_validate(job)
