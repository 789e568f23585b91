"""Asking a stored question again with other words for what it means."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.answers import repository
from app.answers.types import Command
from app.errors import AppError
from retrieval.types import SearchConfig


class NotAnsweredYet(AppError):
    """The message has no trace yet, so what it was asked of is not known."""

    status_code = 409
    code = "not_answered_yet"
    stage = "request"
    default_next_step = "Wait until the answer is there, or stop it, and try again."


def again(session: Session, owner_id: int, message_id: int, standalone_question: str, writer: str) -> Command:
    """A new pending message with the same question, scope and search configuration.

    Raises NotFound, and NotAnsweredYet for a message without trace.
    """
    asked = repository.get_message(session, owner_id, message_id)
    if "scope" not in (asked.trace or {}):
        raise NotAnsweredYet(f"Message {message_id} has no answer yet, or one of an older version.")
    trace: dict[str, Any] = asked.trace or {}
    message = repository.save_question(
        session, owner_id, asked.question, asked.conversation_id, writer=writer
    )
    return Command(
        message_id=message.id,
        conversation_id=message.conversation_id,
        question=asked.question,
        collection_ids=trace["scope"]["collection_ids"],
        document_ids=trace["scope"]["document_ids"],
        config=SearchConfig(**trace["config"]),
        standalone_question=standalone_question,
    )
