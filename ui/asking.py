"""A question on its way to the service (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asking:
    """What to ask, of which documents, and in place of which earlier question if any."""

    question: str
    collection_ids: tuple[int, ...] = ()  # none: all
    replaces: int | None = None  # message id; it and what follows it leave the conversation
    standalone_question: str | None = None  # the person's words in place of the automatic rewrite
    weak_evidence: bool = False  # answer although the evidence is weak
    configuration: str | None = None  # a saved one; none: the one in force
