"""`/v1/messages`: one answer again, listening to one in the making, and what a person thinks of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from app.answers import repository
from app.answers.endpoints import server_sent
from app.answers.running import StreamEvent, error_event
from app.answers.schemas import Answer, AnswerList, FeedbackRequest
from app.answers.settling import settle
from app.answers.types import GroundingState
from app.answers.views import answer_out
from app.dependencies import AppServices, CurrentUser, ReadSession, WriteSession
from app.error_responses import error_responses
from app.errors import NotFound
from app.schemas import RowId
from app.services import Services
from app.tables import utc_now

router = APIRouter(prefix="/v1/messages", tags=["answers"], responses=error_responses(NotFound))

LOOK_S = 0.5  # how often an answer is looked for that another process writes


@router.get("")
def list_latest(
    services: AppServices,
    session: ReadSession,
    user: CurrentUser,
    grounding: GroundingState | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AnswerList:
    """Your answers, latest first, replaced ones left out; with `grounding` those in that state."""
    messages = settle(services, repository.list_latest(session, user.id, grounding, limit))
    citations = repository.citations_of(session, [message.id for message in messages])
    return AnswerList(items=[answer_out(message, citations[message.id]) for message in messages])


@router.get("/{message_id}")
def read(message_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser) -> Answer:
    """One question with its answer, a replaced one as well."""
    return _settled(services, session, user.id, message_id)


@router.get(
    "/{message_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "The events of the answer."}},
)
def listen(message_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser) -> Any:
    """What `POST /v1/ask` streams, from its beginning, also to those who come later; `done` if it is over."""
    repository.get_message(session, user.id, message_id)
    running = services.running.find(message_id)
    events = running.log.listen() if running else _when_stored(services, user.id, message_id)
    return StreamingResponse(server_sent(events), media_type="text/event-stream")


@router.put("/{message_id}/feedback")
def rate(message_id: RowId, body: FeedbackRequest, session: WriteSession, user: CurrentUser) -> Answer:
    """Keeps a thumb and a comment with the answer; the last one counts."""
    message = repository.get_message(session, user.id, message_id)
    message.rating, message.comment, message.rated_at = body.rating, body.comment, utc_now()
    return answer_out(message, repository.citations_of(session, [message_id])[message_id])


@router.delete("/{message_id}/feedback", status_code=204)
def unrate(message_id: RowId, session: WriteSession, user: CurrentUser) -> None:
    """Takes the thumb and the comment back."""
    message = repository.get_message(session, user.id, message_id)
    message.rating = message.comment = message.rated_at = None


async def _when_stored(services: Services, owner_id: int, message_id: int) -> AsyncIterator[StreamEvent]:
    """`done` as soon as the answer is no longer pending, whichever process writes it or died over it.

    `error` when it is deleted meanwhile.
    """
    while True:
        try:
            answer = await run_in_threadpool(_look, services, owner_id, message_id)
        except NotFound as error:
            yield error_event(error)
            return
        if answer.state != "pending":
            yield "done", answer.model_dump(mode="json")
            return
        await asyncio.sleep(LOOK_S)


def _look(services: Services, owner_id: int, message_id: int) -> Answer:
    with services.sessions() as session:
        return _settled(services, session, owner_id, message_id)


def _settled(services: Services, session: Session, owner_id: int, message_id: int) -> Answer:
    """The answer as it is, marked failed when its writer died. Raises NotFound."""
    (message,) = settle(services, [repository.get_message(session, owner_id, message_id)])
    return answer_out(message, repository.citations_of(session, [message_id])[message_id])
