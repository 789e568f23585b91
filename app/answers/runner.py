"""Runs an answer in its own thread, so that it is finished and stored whoever still listens."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from typing import Any

from app.answers import repository
from app.answers.service import answer
from app.answers.tracing import asked_of
from app.answers.types import Command, Draft
from app.answers.views import answer_out
from app.errors import AppError, InternalError
from app.services import Services

log = logging.getLogger(__name__)

StreamEvent = tuple[str, dict[str, Any]]
"""(event name, data) as the stream sends it; the last one is `done` or `error`."""

LAST_EVENTS = frozenset({"done", "error"})


def run(services: Services, command: Command) -> Iterator[StreamEvent]:
    """Starts the answer and yields its events: question, sources, token..., citations, done or error.

    Leaving the iterator early does not stop the answer; `RunningAnswers.cancel` does.
    """
    events: queue.SimpleQueue[StreamEvent] = queue.SimpleQueue()
    flag = services.running.start(command.message_id)
    thread = threading.Thread(
        target=_work, args=(services, command, flag, events), name=f"answer-{command.message_id}", daemon=True
    )
    thread.start()
    return _until_last(events)


def _until_last(events: queue.SimpleQueue[StreamEvent]) -> Iterator[StreamEvent]:
    while True:
        event = events.get()
        yield event
        if event[0] in LAST_EVENTS:
            return


def _work(
    services: Services, command: Command, flag: threading.Event, events: queue.SimpleQueue[StreamEvent]
) -> None:
    try:
        for event in answer(services, command, flag.is_set):
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


def _fail(
    services: Services, command: Command, error: AppError, events: queue.SimpleQueue[StreamEvent]
) -> None:
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
    return {"answer": stored["answer"], "citations": stored["citations"]}


def stored_answer(services: Services, message_id: int) -> dict[str, Any]:
    """The answer as the API shows it, read back from SQL."""
    with services.sessions() as session:
        message = repository.find_message(session, message_id)
        citations = repository.citations_of(session, [message_id])[message_id]
        return answer_out(message, citations).model_dump(mode="json")
