"""Writing a stored answer again: token for token the same, or what has changed since.

The decoder gets the stored prompt and options, not new ones, so that what differs is what differs: weights,
arithmetic, or nothing. What a new question would meet besides is compared apart: passages, template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.answers import repository
from app.answers.generation import Generation, template_id, text_id
from app.answers.inspecting import Stopping, Tell, check_stop, never, silent
from app.documents.index_sync import load_chunks
from app.errors import AppError
from app.services import Services, TextGenerator


class NothingToReplay(AppError):
    """The decoder wrote nothing for this message, or an older version kept no tokens."""

    status_code = 409
    code = "nothing_to_replay"
    stage = "generate"
    default_next_step = "Choose an answer that the decoder wrote; a refusal before writing has no tokens."


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not as it was when the answer was written."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The first token that came out otherwise."""

    generation: int  # which run of the decoder, from 0
    token: int  # place in it, from 0
    then: str  # what it wrote from there on
    now: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of writing an answer again."""

    message_id: int
    identical: bool  # every token of every run
    generations: int
    tokens: int  # compared
    difference: Difference | None
    changes: tuple[Change, ...]
    text: str  # as decoded now, markers and all


def replay(
    services: Services, user: Account, message_id: int, tell: Tell = silent, stopping: Stopping = never
) -> Replay:
    """Runs the decoder again on what it was given.

    Raises NotFound, NothingToReplay, InspectionStopped, and what a full device raises.
    """
    with services.sessions() as session:
        message = repository.get_message(session, user.id, message_id)
        trace: Mapping[str, Any] = message.trace or {}
        stored = [Generation.from_json(row) for row in trace.get("generations", ())]
        if not any(each.token_ids for each in stored):
            raise NothingToReplay(f"No token was written for message {message_id}, or none was kept.")
        changes = (*_changed_models(services, trace), *_changed_passages(session, user, trace))
        cut = message.state == "cancelled"
    generator = services.models.written_by(_generator_id(trace))
    total = sum(len(each.token_ids) for each in stored)
    again: list[Generation] = []
    for each in stored:
        before = sum(len(run.token_ids) for run in again)

        def told(written: int, before: int = before) -> None:
            tell("token", min(before + written, total), total)

        again.append(_again(generator, each, told, stopping, cut=cut and each is stored[-1]))
    difference = _first_difference(stored, again)
    return Replay(
        message_id,
        difference is None,
        len(stored),
        total,
        difference,
        changes,
        "\n".join(each.text for each in again),
    )


def _generator_id(trace: Mapping[str, Any]) -> str | None:
    generator_id: str | None = trace.get("models", {}).get("generator")
    return generator_id


def _again(
    generator: TextGenerator,
    then: Generation,
    told: Callable[[int], None],
    stopping: Stopping,
    *,
    cut: bool,
) -> Generation:
    """The same run; one that a person stopped is written as far as it was.

    Of its passages nothing is kept: their documents may have been deleted since.
    """
    now = Generation(then.segments, then.options, then.chunk_ids)
    told(0)

    def cancelled() -> bool:
        return stopping() or (cut and len(now.token_ids) >= len(then.token_ids))

    options = replace(now.listening(), keep_passages=False)
    for piece in generator.generate(now.segments, options, cancelled):
        now.text += piece
        told(len(now.token_ids))
    check_stop(stopping)
    if cut:
        del now.token_ids[len(then.token_ids) :]
    return now


def _first_difference(stored: list[Generation], again: list[Generation]) -> Difference | None:
    for number, (then, now) in enumerate(zip(stored, again, strict=True)):
        if then.token_ids != now.token_ids:
            pairs = zip(then.token_ids, now.token_ids, strict=False)
            shorter = min(len(then.token_ids), len(now.token_ids))
            token = next((at for at, (left, right) in enumerate(pairs) if left != right), shorter)
            same = _shared_start(then.text, now.text)
            return Difference(number, token, then.text[same:], now.text[same:])
    return None


def _shared_start(left: str, right: str) -> int:
    pairs = zip(left, right, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def _changed_models(services: Services, trace: Mapping[str, Any]) -> list[Change]:
    """Weights by their ids, which hold checksums; the words around passages; how tokens are computed."""
    generator = services.models.written_by(_generator_id(trace))
    now = {
        **{f"arithmetic: {name}": value for name, value in services.models.arithmetic.items()},
        "generator": generator.id,
        "template": template_id(generator.template),
    }
    then = {
        **{f"arithmetic: {name}": value for name, value in trace.get("arithmetic", {}).items()},
        "generator": _generator_id(trace),
        "template": trace.get("template"),
    }
    names = dict.fromkeys((*then, *now))
    changed = [name for name in names if then.get(name) != now.get(name)]
    return [Change(name, str(then.get(name)), str(now.get(name))) for name in changed]


def _changed_passages(session: Session, user: Account, trace: Mapping[str, Any]) -> list[Change]:
    """Passages of the prompt that a search would no longer find as they were."""
    passages = trace.get("passages", [])
    chunks = load_chunks(session, user)([passage["chunk_id"] for passage in passages])
    changes = []
    for passage in passages:
        what = f"passage {passage['number']} of {passage['file_name']}"
        chunk = chunks.get(passage["chunk_id"])
        if chunk is None:
            changes.append(Change(what, f"version {passage['document_version']}", "deleted or indexed again"))
        elif text_id(chunk.text) != passage["text_id"]:
            changes.append(Change(what, passage["text_id"], text_id(chunk.text)))
    return changes
