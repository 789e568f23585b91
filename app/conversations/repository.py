"""All SQL of conversations."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import ConversationNotFound
from app.tables import Conversation


def list_conversations(session: Session, owner_id: int, limit: int) -> list[Conversation]:
    """The owner's conversations, latest first."""
    statement = (
        select(Conversation)
        .where(Conversation.owner_id == owner_id)
        .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
        .limit(limit)
    )
    return list(session.scalars(statement))


def get_conversation(session: Session, owner_id: int, conversation_id: int) -> Conversation:
    """Raises ConversationNotFound when the conversation is not the owner's."""
    found = session.scalar(
        select(Conversation).where(Conversation.id == conversation_id, Conversation.owner_id == owner_id)
    )
    if found is None:
        raise ConversationNotFound(f"There is no conversation {conversation_id}.")
    return found
