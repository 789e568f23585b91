"""`/v1/eval-cases`: change and delete single questions, and make one of an answer that was not right."""

from __future__ import annotations

from fastapi import APIRouter

from app.dependencies import CurrentUser, ReadSession, WriteSession
from app.error_responses import error_responses
from app.errors import Conflict, NotFound
from app.evals.sets import service
from app.evals.sets.errors import EvalCaseNotFound, EvalSetNotFound
from app.evals.sets.feedback import add_message
from app.evals.sets.schemas import CaseIn, CaseOut, FromMessage
from app.schemas import RowId

router = APIRouter(prefix="/v1/eval-cases", tags=["evals"])


@router.post("/from-message", status_code=201, responses=error_responses(NotFound, EvalSetNotFound))
def from_message(body: FromMessage, session: WriteSession, user: CurrentUser) -> CaseOut:
    """A question of an eval set from an answer in a chat, with its sources as suggested gold."""
    return add_message(session, user, body)


@router.get("/{case_id}", responses=error_responses(EvalCaseNotFound))
def read(case_id: RowId, session: ReadSession, user: CurrentUser) -> CaseOut:
    """One question."""
    return CaseOut.model_validate(service.require_case(session, user, case_id))


@router.put("/{case_id}", responses=error_responses(EvalCaseNotFound, Conflict))
def change(case_id: RowId, body: CaseIn, session: WriteSession, user: CurrentUser) -> CaseOut:
    """The question with all its values replaced; `status` ready ends a review."""
    return service.change_case(session, user, case_id, body)


@router.delete("/{case_id}", status_code=204, responses=error_responses(EvalCaseNotFound))
def delete(case_id: RowId, session: WriteSession, user: CurrentUser) -> None:
    """Removes the question from its set."""
    service.delete_case(session, user, case_id)
