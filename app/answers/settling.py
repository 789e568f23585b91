"""Answers whose process died: found out when somebody looks, and marked, so that nobody waits for them."""

from __future__ import annotations

from collections.abc import Sequence

from app.answers import repository
from app.services import Services
from app.tables import Message


def settle(services: Services, messages: Sequence[Message]) -> list[Message]:
    """The messages as they are once those whose writer died are marked failed.

    What this process is writing goes on, however long it takes.
    """
    gone = [
        message.id
        for message in messages
        if repository.is_interrupted(message) and services.running.find(message.id) is None
    ]
    if not gone:
        return list(messages)
    with services.sessions.begin() as session:
        repository.fail_interrupted(session, gone)
        return [session.get_one(Message, message.id) for message in messages]
