"""`/v1/messages/{id}`: how an answer came about, and whether it comes about again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.answers.endpoints import server_sent
from app.answers.influence import influences
from app.answers.inspecting import Stopping, Tell, Work, never, silent
from app.answers.inspection import trace_out
from app.answers.inspection_schemas import InfluenceOut, InfluencesOut, ReplayOut, TraceOut
from app.answers.replay import replay
from app.answers.repository import get_message
from app.answers.schemas import Cancelled
from app.dependencies import AppServices, CurrentUser, ReadSession
from app.errors import ErrorBody
from app.schemas import RowId
from app.services import Services

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


@router.post("/replay", response_model=ReplayOut, responses=NOTHING)
def replay_answer(message_id: RowId, services: AppServices, user: CurrentUser, stream: bool = False) -> Any:
    """Writes the answer again from what was stored: the same token for token, or what has changed since.

    Nothing is stored. With `stream` the events are `progress`..., then `done` or `error`.
    """
    services.running.check_room(services.settings.device_queue)

    def work(tell: Tell, stopping: Stopping) -> ReplayOut:
        return ReplayOut.model_validate(replay(services, user, message_id, tell, stopping))

    return _told(services, message_id, work) if stream else work(silent, never)


@router.post("/influence", response_model=InfluencesOut, responses=NOTHING)
def weigh_passages(message_id: RowId, services: AppServices, user: CurrentUser, stream: bool = False) -> Any:
    """How much less probable the written words are without each passage: a hint, not a proof.

    With `stream` the events are `progress`..., then `done` or `error`.
    """

    def work(tell: Tell, stopping: Stopping) -> InfluencesOut:
        found = influences(services, user, message_id, tell, stopping)
        rows = [InfluenceOut.model_validate(each) for each in found]
        return InfluencesOut(message_id=message_id, influences=rows)

    return _told(services, message_id, work) if stream else work(silent, never)


@router.post("/inspection/cancel", status_code=202, responses=ERRORS)
def cancel_inspection(
    message_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser
) -> Cancelled:
    """Stops a replay or a weighing of this message that streams; its events end with an error."""
    get_message(session, user.id, message_id)
    running = services.inspections.cancel(message_id)
    return Cancelled(message_id=message_id, state="cancelling" if running else "finished")


def _told(services: Services, message_id: int, work: Work) -> StreamingResponse:
    events = services.inspections.run(message_id, work)
    return StreamingResponse(server_sent(events.listen()), media_type="text/event-stream")
