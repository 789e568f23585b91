"""How much the written words depended on each passage: leave one out and weigh the same words again.

A hint and not a proof: two passages that say the same each seem to matter little, and the words may follow
from what the decoder knew anyway. Attention weights are cheaper and say less (Jain and Wallace, 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.accounts.types import Account
from app.answers import repository
from app.answers.generation import Generation
from app.answers.inspecting import Stopping, Tell, check_stop, never, silent
from app.answers.replay import NothingToReplay
from app.services import Services


@dataclass(frozen=True, slots=True)
class Influence:
    """What is lost without one passage."""

    generation: int  # which run of the decoder, from 0
    number: int  # of the passage in that run's prompt
    chunk_id: int
    lost: float  # mean natural logarithm of probability a token, with it minus without it


def influences(
    services: Services, user: Account, message_id: int, tell: Tell = silent, stopping: Stopping = never
) -> list[Influence]:
    """One figure for each passage of each run; one more reading of the prompt for each.

    Raises NotFound; NothingToReplay without tokens, or where the default generator cannot weigh them;
    InspectionStopped.
    """
    with services.sessions() as session:
        trace: Mapping[str, Any] = repository.get_message(session, user.id, message_id).trace or {}
    runs = [Generation.from_json(row) for row in trace.get("generations", ())]
    writer = trace.get("models", {}).get("generator")
    weighable = services.models.logprobs is not None and writer == services.models.generator.id
    if not weighable or not any(run.token_ids and run.chunk_ids for run in runs):
        raise NothingToReplay(f"No token of message {message_id} can be weighed.")
    written = [(number, run) for number, run in enumerate(runs) if run.token_ids]
    total = sum(len(run.chunk_ids) for _, run in written)
    found: list[Influence] = []
    for number, run in written:
        tell("prompt", len(found), total)
        check_stop(stopping)
        whole = _mean(services, run.segments, run)
        for place, chunk_id in enumerate(run.chunk_ids, start=1):
            tell("passage", len(found), total)
            check_stop(stopping)
            lost = whole - _mean(services, _without(run.segments, place), run)
            found.append(Influence(number, place, chunk_id, lost))
    return found


def _without(segments: tuple[str, ...], place: int) -> tuple[str, ...]:
    """The prompt without its passage at this place; the others keep their numbers."""
    return segments[:place] + segments[place + 1 :]


def _mean(services: Services, segments: tuple[str, ...], run: Generation) -> float:
    if services.models.logprobs is None:
        raise ValueError("ask whether words can be weighed first")
    weighed = services.models.logprobs(segments, run.options.mask, run.token_ids)
    return sum(weighed) / len(weighed)
