"""`/v1/jobs`: how far the reading of a document is."""

from __future__ import annotations

from fastapi import APIRouter

from app.dependencies import CurrentUser, ReadSession
from app.error_responses import error_responses
from app.errors import JobNotFound
from app.jobs import repository
from app.jobs.schemas import JobOut
from app.schemas import RowId

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job_id}", responses=error_responses(JobNotFound))
def read(job_id: RowId, session: ReadSession, user: CurrentUser) -> JobOut:
    """One job; a document's job disappears with the document."""
    job = repository.get(session, user.id, job_id)
    if job is None:
        raise JobNotFound(f"There is no job {job_id}.")
    return JobOut.model_validate(job)
