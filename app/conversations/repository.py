"""All SQL of conversations and of the links that share them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import ConversationNotFound, ShareNotFound
from app.tables import Conversation, Message, Share


def list_conversations(
    session: Session, owner_id: int, limit: int, words: str | None = None
) -> list[Conversation]:
    """The owner's conversations, latest first; with `words` those that hold them anywhere."""
    statement = (
        select(Conversation)
        .where(Conversation.owner_id == owner_id)
        .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
        .limit(limit)
    )
    if words:
        of_messages = exists().where(_in_message(words), Message.conversation_id == Conversation.id)
        statement = statement.where(or_(_contains(Conversation.title, words), of_messages))
    return list(session.scalars(statement))


def matching_messages(session: Session, conversation_ids: list[int], words: str) -> dict[int, Message]:
    """The first message of each conversation that holds the words, by conversation."""
    first = (
        select(func.min(Message.id))
        .where(_in_message(words), Message.conversation_id.in_(conversation_ids))
        .group_by(Message.conversation_id)
    )
    statement = select(Message).where(Message.id.in_(first))
    return {message.conversation_id: message for message in session.scalars(statement)}


def _in_message(words: str) -> ColumnElement[bool]:
    in_text = or_(_contains(Message.question, words), _contains(func.coalesce(Message.answer, ""), words))
    return Message.replaced_by_id.is_(None) & in_text


def _contains(column: ColumnElement[str] | InstrumentedAttribute[str], words: str) -> ColumnElement[bool]:
    """Case is ignored; `%` and `_` are ordinary characters."""
    return column.icontains(words, autoescape=True)


def get_conversation(session: Session, owner_id: int, conversation_id: int) -> Conversation:
    """Raises ConversationNotFound when the conversation is not the owner's."""
    found = session.scalar(
        select(Conversation).where(Conversation.id == conversation_id, Conversation.owner_id == owner_id)
    )
    if found is None:
        raise ConversationNotFound(f"There is no conversation {conversation_id}.")
    return found


def find_share(session: Session, conversation_id: int) -> Share | None:
    """The link of a conversation, if it has one; check first whose conversation it is."""
    return session.scalar(select(Share).where(Share.conversation_id == conversation_id))


def get_shared(session: Session, token: str) -> tuple[Share, Conversation]:
    """What a link leads to. Raises ShareNotFound when the link was revoked or never was one."""
    row = session.execute(
        select(Share, Conversation)
        .join(Conversation, Conversation.id == Share.conversation_id)
        .where(Share.token == token)
    ).one_or_none()
    if row is None:
        raise ShareNotFound("This link shows nothing: it was revoked, or it is incomplete.")
    return row[0], row[1]
