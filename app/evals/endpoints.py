"""`/v1/evals`: stored runs. They are started from the command line, where their files are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, ReadSession
from app.errors import ErrorBody
from app.evals import service
from app.evals.schemas import EvalRunList, EvalRunOut
from app.schemas import RowId

router = APIRouter(prefix="/v1/evals", tags=["evals"])


@router.get("")
def list_all(
    session: ReadSession, user: CurrentUser, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> EvalRunList:
    """Your eval runs, latest first."""
    return EvalRunList(items=service.list_latest(session, user, limit))


@router.get("/{run_id}", responses={404: {"model": ErrorBody}})
def read(run_id: RowId, session: ReadSession, user: CurrentUser) -> EvalRunOut:
    """One run with its configuration and measures."""
    return service.get(session, user, run_id)
