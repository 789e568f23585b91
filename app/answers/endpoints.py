"""`/v1/search`, `/v1/ask` and stopping an answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from app.accounts.types import Account
from app.answers import repository
from app.answers.again import again
from app.answers.routing import check_generator
from app.answers.runner import run
from app.answers.running import EventLog, StreamEvent
from app.answers.schemas import (
    Answer,
    AskAgainRequest,
    AskRequest,
    Cancelled,
    SearchRequest,
    SearchResponse,
)
from app.answers.search import check_length, find, scope
from app.answers.settling import settle
from app.answers.types import Command
from app.answers.views import search_out
from app.configurations.resolving import resolve
from app.dependencies import AppServices, CurrentUser, ReadSession
from app.error_responses import error_responses
from app.errors import AppError, ErrorBody, NotFound, WrittenElsewhere
from app.schemas import RowId
from app.services import Services

router = APIRouter(prefix="/v1", tags=["answers"])

ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorBody, "description": "An id that is not yours or not there."},
    413: {"model": ErrorBody, "description": "The question is over the context budget."},
    422: {"model": ErrorBody, "description": "A field is wrong or unknown."},
    429: {"model": ErrorBody, "description": "Too many questions are waiting."},
}
# Bare in JSON, they would be ends of lines to a client that splits the stream as `str.splitlines` does.
OTHER_LINE_ENDS = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})
STREAM_EXAMPLE = (
    'event: sources\ndata: {"sources": [{"number": 1, "file_name": "handbook.pdf", "page": 3}]}\n\n'
    'event: token\ndata: {"text": "28 days"}\n\n'
)


@router.post("/search", responses=ERRORS)
def search(
    body: SearchRequest, services: AppServices, session: ReadSession, user: CurrentUser
) -> SearchResponse:
    """Passages for a question, with the score of every stage; the same search that answers use."""
    check_length(services, body.question)
    config = body.config.applied_to(resolve(session, user, services.settings, body.configuration))
    access = scope(services, session, user, body.collection_ids, body.document_ids)
    return search_out(body.question, find(services, session, user, body.question, access, config))


@router.post(
    "/ask",
    response_model=Answer,
    responses={
        **ERRORS,
        200: {"content": {"text/event-stream": {"example": STREAM_EXAMPLE}}, "description": "The answer."},
    },
)
def ask(body: AskRequest, services: AppServices, user: CurrentUser) -> Any:
    """An answer with footnotes, or a refusal that says why.

    With `stream` the events are `question`, `sources`, `token`..., `citations`, `done`, or `error`.
    """
    check_length(services, body.question)
    check_length(services, body.standalone_question or "")
    check_generator(body.generator, services.models.larger is not None)
    services.running.check_room(services.settings.device_queue)
    return _told(run(services, _saved(services, user, body)), body.stream)


@router.post(
    "/messages/{message_id}/ask",
    response_model=Answer,
    responses={
        **ERRORS,
        200: {"content": {"text/event-stream": {"example": STREAM_EXAMPLE}}, "description": "The answer."},
        409: {"model": ErrorBody, "description": "The message is still being answered."},
    },
)
def ask_again(message_id: RowId, body: AskAgainRequest, services: AppServices, user: CurrentUser) -> Any:
    """Asks a message's question again as a new message, with your words for what it means.

    The scope and the search configuration stay those of the message.
    """
    check_length(services, body.standalone_question)
    services.running.check_room(services.settings.device_queue)
    with services.sessions.begin() as session:
        command = again(session, user.id, message_id, body.standalone_question, services.running.writer)
    return _told(run(services, command), body.stream)


def _told(events: EventLog, stream: bool) -> Any:
    """The events as they come, or the answer that they end with."""
    if stream:
        return StreamingResponse(server_sent(events.listen()), media_type="text/event-stream")
    for name, data in events.follow():
        if name == "done":
            return data
        if name == "error":
            raise AnswerFailed(data)
    raise AssertionError("an answer ends with done or error")


@router.post(
    "/messages/{message_id}/cancel", status_code=202, responses=error_responses(NotFound, WrittenElsewhere)
)
def cancel(message_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser) -> Cancelled:
    """Stops an answer that is being written; what is there is kept and marked.

    Only the process that writes it can.
    """
    (message,) = settle(services, [repository.get_message(session, user.id, message_id)])
    if services.running.cancel(message_id):
        return Cancelled(message_id=message_id, state="cancelling")
    # What this process wrote and no longer writes has been stored since the message was read.
    if message.state == "pending" and message.writer != services.running.writer:
        raise WrittenElsewhere(f"Another process is writing the answer to message {message_id}.")
    return Cancelled(message_id=message_id, state="finished")


def _saved(services: Services, user: Account, body: AskRequest) -> Command:
    """The question is committed before anything else happens: it survives any crash after this."""
    with services.sessions.begin() as session:
        config = body.config.applied_to(resolve(session, user, services.settings, body.configuration))
        message = repository.save_question(
            session,
            user.id,
            body.question,
            body.conversation_id,
            replaces_id=body.replaces_message_id,
            writer=services.running.writer,
        )
        return Command(
            message_id=message.id,
            conversation_id=message.conversation_id,
            question=body.question,
            collection_ids=body.collection_ids,
            document_ids=body.document_ids,
            config=config,
            standalone_question=body.standalone_question,
            answer_anyway=body.weak_evidence == "answer",
            generator=body.generator,
        )


async def server_sent(events: AsyncIterator[StreamEvent]) -> AsyncIterator[str]:
    """Server-sent events (WHATWG HTML, section 9.2)."""
    async for name, data in events:
        text = json.dumps(data, ensure_ascii=False).translate(OTHER_LINE_ENDS)
        yield f"event: {name}\ndata: {text}\n\n"


class AnswerFailed(AppError):
    """An error that happened in the answer's thread, raised again at the edge."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(body["cause"], next_step=body["next_step"], **body["details"])
        self.status_code = body["status_code"]  # type: ignore[misc]
        self.code = body["code"]  # type: ignore[misc]
        self.stage = body["stage"]  # type: ignore[misc]
