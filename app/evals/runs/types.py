"""What a run is made of: units of work, and what each of them gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.evals.cases import Case
from app.evals.types import Outcome


@dataclass(frozen=True, slots=True)
class Unit:
    """One question to ask; sweeps ask the same one in several variants."""

    case: Case
    variant: str = ""


@dataclass(frozen=True, slots=True)
class UnitResult:
    """How one unit ended. A score that does not apply to it is absent."""

    outcome: Outcome
    scores: dict[str, float] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A unit's result, read back."""

    key: str
    variant: str
    question: str
    outcome: Outcome
    scores: dict[str, float]
    detail: dict[str, Any]


def unscorable(reason: str) -> UnitResult:
    """The question cannot be judged, and why."""
    return UnitResult("unscorable", {}, {"reason": reason})
