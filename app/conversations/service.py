"""Conversations whole: their turns, what a search found in them, and what a link may show."""

from __future__ import annotations

import secrets

from sqlalchemy.orm import Session

from app.answers import repository as messages
from app.answers.schemas import Answer
from app.answers.settling import settle
from app.answers.views import answer_out
from app.conversations import repository
from app.conversations.excerpt import excerpt
from app.conversations.schemas import (
    ConversationDetail,
    ConversationFound,
    ConversationOut,
    SharedAnswer,
    SharedConversation,
)
from app.errors import Conflict
from app.services import Services
from app.tables import Conversation, Share

TOKEN_BYTES = 32


def detail(services: Services, session: Session, conversation: Conversation) -> ConversationDetail:
    """A conversation with all its turns."""
    turns = settle(services, messages.list_messages(session, conversation.id))
    citations = messages.citations_of(session, [turn.id for turn in turns])
    return ConversationDetail(
        **ConversationOut.model_validate(conversation).model_dump(),
        messages=[answer_out(turn, citations[turn.id]) for turn in turns],
    )


def found(session: Session, owner_id: int, limit: int, words: str | None) -> list[ConversationFound]:
    """Conversations latest first; those that hold the words, with the place, when there are any."""
    rows = repository.list_conversations(session, owner_id, limit, words)
    items = [ConversationFound.model_validate(row) for row in rows]
    if not words:
        return items
    holding = repository.matching_messages(session, [row.id for row in rows], words)
    for item in items:
        turn = holding.get(item.id)
        if turn is not None:
            item.excerpt = excerpt(turn.question, words) or excerpt(turn.answer or "", words)
    return items


def delete(services: Services, session: Session, conversation: Conversation) -> None:
    """Removes the conversation with its turns; the answers that are being written for it stop."""
    for message_id in messages.pending_ids(session, conversation.id):
        services.running.cancel(message_id)
    session.delete(conversation)


def share(session: Session, conversation: Conversation) -> Share:
    """The conversation's link, made or brought up to the last finished turn. Raises Conflict without one."""
    finished = [turn for turn in messages.list_messages(session, conversation.id) if turn.state != "pending"]
    if not finished:
        raise Conflict("There is no finished answer to share.", next_step="Wait for the answer.")
    link = repository.find_share(session, conversation.id)
    if link is None:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        link = Share(owner_id=conversation.owner_id, conversation_id=conversation.id, token=token)
    link.last_message_id = finished[-1].id
    session.add(link)
    session.flush()
    return link


def shared(services: Services, session: Session, token: str) -> SharedConversation:
    """What whoever has the link may read. Raises ShareNotFound."""
    link, conversation = repository.get_shared(session, token)
    turns = detail(services, session, conversation).messages
    return SharedConversation(
        title=conversation.title,
        created_at=link.created_at,
        messages=[_shown(turn) for turn in turns if turn.message_id <= link.last_message_id],
    )


def _shown(turn: Answer) -> SharedAnswer:
    """Only what the answer cites: what else was retrieved is not the reader's business."""
    cited = {citation.chunk_id for citation in turn.citations}
    kept = {name: getattr(turn, name) for name in SharedAnswer.model_fields if name != "sources"}
    return SharedAnswer(**kept, sources=[each for each in turn.sources if each.chunk_id in cited])
