"""Runs an answer in its own thread, so that it is finished and stored whoever still listens."""

from __future__ import annotations

import logging
import threading
from typing import Any

from app.answers import repository
from app.answers.running import EventLog, Running
from app.answers.service import answer
from app.answers.tracing import asked_of
from app.answers.types import Command, Draft
from app.answers.views import answer_out
from app.errors import AppError, InternalError
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
    except AppError as error:
        _fail(services, command, error, events)
    except Exception:
        log.exception("answer %s failed", command.message_id)
        _fail(services, command, InternalError("The answer could not be written."), events)
    finally:
        services.running.finish(command.message_id)


def _fail(services: Services, command: Command, error: AppError, events: EventLog) -> None:
    """Stores the failure first, so that a reload shows it too."""
    draft = Draft(
        command.message_id, command.conversation_id, command.question, command.question, state="failed"
    )
    body = error.body().model_dump()
    try:
        with services.sessions.begin() as session:
            repository.store(session, draft, trace=asked_of(command), error=body)
    finally:
        events.put(("error", body | {"status_code": error.status_code}))


def _citations(services: Services, command: Command) -> dict[str, Any]:
    stored = stored_answer(services, command.message_id)
    return {name: stored[name] for name in CHECKED}


def stored_answer(services: Services, message_id: int) -> dict[str, Any]:
    """The answer as the API shows it, read back from SQL."""
    with services.sessions() as session:
        message = repository.find_message(session, message_id)
        citations = repository.citations_of(session, [message_id])[message_id]
        return answer_out(message, citations).model_dump(mode="json")
