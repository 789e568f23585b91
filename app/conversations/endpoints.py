"""`/v1/conversations`: chats that survive reload and restart."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.answers.repository import citations_of, fail_interrupted, list_messages
from app.answers.views import answer_out
from app.conversations.repository import get_conversation, list_conversations
from app.conversations.schemas import ConversationDetail, ConversationList, ConversationOut
from app.dependencies import CurrentUser, ReadSession, WriteSession
from app.errors import ErrorBody
from app.schemas import RowId

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody}}


@router.get("")
def list_all(
    session: ReadSession, user: CurrentUser, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> ConversationList:
    """Your conversations, latest first."""
    rows = list_conversations(session, user.id, limit)
    return ConversationList(items=[ConversationOut.model_validate(row) for row in rows])


@router.get("/{conversation_id}", responses=NOT_FOUND)
def read(conversation_id: RowId, session: WriteSession, user: CurrentUser) -> ConversationDetail:
    """One conversation with all its answers and footnotes."""
    conversation = get_conversation(session, user.id, conversation_id)
    fail_interrupted(session)
    messages = list_messages(session, conversation.id)
    citations = citations_of(session, [message.id for message in messages])
    return ConversationDetail(
        **ConversationOut.model_validate(conversation).model_dump(),
        messages=[answer_out(message, citations[message.id]) for message in messages],
    )


@router.delete("/{conversation_id}", status_code=204, responses=NOT_FOUND)
def delete(conversation_id: RowId, session: WriteSession, user: CurrentUser) -> None:
    """Removes the conversation with its answers and citations."""
    session.delete(get_conversation(session, user.id, conversation_id))
