"""`/v1/conversations`: chats that survive reload and restart, searched, exported and shared."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from app.conversations import repository, service
from app.conversations.export import markdown
from app.conversations.schemas import (
    ConversationDetail,
    ConversationList,
    ConversationOut,
    ConversationUpdate,
    SharedConversation,
    ShareOut,
)
from app.db import storable
from app.dependencies import AppServices, CurrentUser, ReadSession, WriteSession
from app.error_responses import error_responses
from app.errors import Conflict, ConversationNotFound, ShareNotFound
from app.schemas import RowId

router = APIRouter(tags=["conversations"])

NOT_FOUND = error_responses(ConversationNotFound)
PATH = "/v1/conversations"
ONE = f"{PATH}/{{conversation_id}}"
PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer"}


@router.get(PATH)
def list_all(
    session: ReadSession,
    user: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    search: Annotated[str, Query(max_length=200, description="Words in titles, questions, answers.")] = "",
) -> ConversationList:
    """Your conversations, latest first; with `search` those that hold these words, case ignored."""
    return ConversationList(items=service.found(session, user.id, limit, storable(search).strip()))


@router.get(ONE, responses=NOT_FOUND)
def read(
    conversation_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser
) -> ConversationDetail:
    """One conversation with all its answers and footnotes."""
    conversation = repository.get_conversation(session, user.id, conversation_id)
    return service.detail(services, session, conversation)


@router.patch(ONE, responses=NOT_FOUND)
def rename(
    conversation_id: RowId, body: ConversationUpdate, session: WriteSession, user: CurrentUser
) -> ConversationOut:
    """Gives the conversation another title."""
    conversation = repository.get_conversation(session, user.id, conversation_id)
    conversation.title = body.title
    session.flush()
    return ConversationOut.model_validate(conversation)


@router.delete(ONE, status_code=204, responses=NOT_FOUND)
def delete(conversation_id: RowId, services: AppServices, session: WriteSession, user: CurrentUser) -> None:
    """Removes the conversation with its answers, citations and link; what is being written stops."""
    service.delete(services, session, repository.get_conversation(session, user.id, conversation_id))


@router.get(
    f"{ONE}/export",
    response_class=Response,
    responses={
        **NOT_FOUND,
        200: {"content": {"text/markdown": {}, "application/json": {}}, "description": "A file."},
    },
)
def export(
    conversation_id: RowId,
    services: AppServices,
    session: ReadSession,
    user: CurrentUser,
    format: Literal["markdown", "json"] = "markdown",
) -> Any:
    """The conversation as a file, with its footnotes."""
    conversation = repository.get_conversation(session, user.id, conversation_id)
    whole = service.detail(services, session, conversation)
    if format == "json":
        return _file(whole.model_dump_json(indent=2), "application/json", whole.title, "json")
    return _file(markdown(whole), "text/markdown", whole.title, "md")


def _file(content: str, media_type: str, title: str, suffix: str) -> Response:
    name = re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")[:60] or "conversation"
    disposition = f'attachment; filename="{name}.{suffix}"'
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})


@router.post(f"{ONE}/share", responses=error_responses(ConversationNotFound, Conflict))
def share(conversation_id: RowId, session: WriteSession, user: CurrentUser) -> ShareOut:
    """A link that shows the conversation as it is now; called again, the later turns too."""
    conversation = repository.get_conversation(session, user.id, conversation_id)
    return ShareOut.model_validate(service.share(session, conversation))


@router.get(f"{ONE}/share", responses=error_responses(ConversationNotFound, ShareNotFound))
def read_share(conversation_id: RowId, session: ReadSession, user: CurrentUser) -> ShareOut:
    """The link that there is."""
    repository.get_conversation(session, user.id, conversation_id)
    link = repository.find_share(session, conversation_id)
    if link is None:
        raise ShareNotFound("This conversation is not shared.", next_step="Share it first.")
    return ShareOut.model_validate(link)


@router.delete(f"{ONE}/share", status_code=204, responses=NOT_FOUND)
def revoke(conversation_id: RowId, session: WriteSession, user: CurrentUser) -> None:
    """The link stops working at once; sharing again makes another one."""
    repository.get_conversation(session, user.id, conversation_id)
    link = repository.find_share(session, conversation_id)
    if link is not None:
        session.delete(link)


@router.get("/v1/shared/{token}", responses=error_responses(ShareNotFound))
def read_shared(
    token: str, services: AppServices, session: ReadSession, response: Response
) -> SharedConversation:
    """What a link shows, to whoever has it: answers, footnotes and the cited passages, nothing else."""
    response.headers.update(PRIVATE)
    return service.shared(services, session, token)
