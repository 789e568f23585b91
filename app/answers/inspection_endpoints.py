"""`/v1/messages/{id}`: how an answer came about, and whether it comes about again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.answers.influence import influences
from app.answers.inspection import trace_out
from app.answers.inspection_schemas import InfluenceOut, InfluencesOut, ReplayOut, TraceOut
from app.answers.replay import replay
from app.dependencies import AppServices, CurrentUser, ReadSession
from app.errors import ErrorBody
from app.schemas import RowId

router = APIRouter(prefix="/v1/messages/{message_id}", tags=["inspection"])

ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorBody, "description": "A message that is not yours or not there."},
}
NOTHING: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    409: {"model": ErrorBody, "description": "The decoder wrote nothing for this message."},
    429: {"model": ErrorBody, "description": "Too many questions are waiting."},
}


@router.get("/trace", responses=ERRORS)
def read_trace(message_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser) -> TraceOut:
    """Stages with their times, the prompt by parts, candidates with every score, models with checksums."""
    return trace_out(session, user, message_id, services.models)


@router.post("/replay", responses=NOTHING)
def replay_answer(message_id: RowId, services: AppServices, user: CurrentUser) -> ReplayOut:
    """Writes the answer again from what was stored: the same token for token, or what has changed since.

    Nothing is stored.
    """
    services.running.check_room(services.settings.device_queue)
    return ReplayOut.model_validate(replay(services, user, message_id))


@router.post("/influence", responses=NOTHING)
def weigh_passages(message_id: RowId, services: AppServices, user: CurrentUser) -> InfluencesOut:
    """How much less probable the written words are without each passage: a hint, not a proof."""
    found = influences(services, user, message_id)
    rows = [InfluenceOut.model_validate(each) for each in found]
    return InfluencesOut(message_id=message_id, influences=rows)
