"""Runs an answer in its own thread, so that it is finished and stored whoever still listens."""

from __future__ import annotations

import logging
import threading
from typing import Any

from app.answers import repository
from app.answers.running import EventLog, Running, error_event
from app.answers.service import answer
from app.answers.tracing import asked_of
from app.answers.types import Command, Draft
from app.answers.views import answer_out
from app.errors import AppError, ConversationNotFound, InternalError
from app.services import Services

log = logging.getLogger(__name__)


CHECKED = (
    "answer",
    "grounding",
    "citations",
    "claims",
    "removed_claims",
    "quotes",
    "conflicts",
    "sources",
    "also_retrieved",
)
"""Fields of an answer that the event `citations` brings."""


def run(services: Services, command: Command) -> EventLog:
    """Starts the answer; its log tells question, sources, token..., citations, then done or error.

    Leaving the log early does not stop the answer; `RunningAnswers.cancel` does.
    """
    running = services.running.start(command.message_id)
    thread = threading.Thread(
        target=_work, args=(services, command, running), name=f"answer-{command.message_id}", daemon=True
    )
    thread.start()
    return running.log


def _work(services: Services, command: Command, running: Running) -> None:
    events = running.log
    try:
        for event in answer(services, command, running.stop.is_set):
            if event.name != "stored":
                events.put((event.name, event.data))
        events.put(("citations", _citations(services, command)))
        events.put(("done", stored_answer(services, command.message_id)))
    except Exception as error:  # noqa: BLE001 - told to those who listen, and logged
        _fail(services, command, error, events)
    finally:
        services.running.finish(command.message_id)


def _fail(services: Services, command: Command, error: Exception, events: EventLog) -> None:
    """Stores the failure first, so that a reload shows it too; a deleted conversation has no place for it."""
    told = error if isinstance(error, AppError) else InternalError("The answer could not be written.")
    try:
        with services.sessions.begin() as session:
            if repository.is_deleted(session, command.message_id):
                told = ConversationNotFound("The conversation was deleted.")
                return
            if told is not error:
                log.error("answer %s failed", command.message_id, exc_info=error)
            repository.store(session, _failed(command), asked_of(command), told.body().model_dump())
    finally:
        events.put(error_event(told))


def _failed(command: Command) -> Draft:
    return Draft(
        command.message_id, command.conversation_id, command.question, command.question, state="failed"
    )


def _citations(services: Services, command: Command) -> dict[str, Any]:
    stored = stored_answer(services, command.message_id)
    return {name: stored[name] for name in CHECKED}


def stored_answer(services: Services, message_id: int) -> dict[str, Any]:
    """The answer as the API shows it, read back from SQL."""
    with services.sessions() as session:
        message = repository.find_message(session, message_id)
        citations = repository.citations_of(session, [message_id])[message_id]
        return answer_out(message, citations).model_dump(mode="json")
