"""What a run asks and how it is summed up, by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.evals.cases import Case
from app.evals.generation.execution import generate, summarise_generated
from app.evals.runs.asking import Context, ask, search
from app.evals.runs.summary import summarise, summarise_sweep
from app.evals.runs.sweeps import (
    NOISE_LEVELS,
    NOISE_VARIANTS,
    POSITION_PASSAGES,
    POSITION_VARIANTS,
    ask_at_position,
    ask_in_noise,
)
from app.evals.runs.types import StoredResult, Unit, UnitResult
from app.evals.types import EvalKind
from app.gate.calibration_run import conclude, score
from app.services import Services
from app.tables import EvalRun


@dataclass(frozen=True, slots=True)
class Plan:
    """How one kind of run works."""

    variants: tuple[str, ...]
    measure: Callable[[Context, Unit], UnitResult]
    summarise: Callable[[Sequence[StoredResult]], Any] = summarise
    passages: int | None = None  # that a prompt must admit
    conclude: Callable[[Services, EvalRun, Sequence[StoredResult]], Any] | None = None  # for `summarise`

    def units(self, cases: Sequence[Case]) -> list[Unit]:
        """Question by question, each in all its variants."""
        return [Unit(case, variant) for case in cases for variant in self.variants]


PLANS: dict[EvalKind, Plan] = {
    "calibrate": Plan(("",), score, conclude=conclude),
    "generate": Plan(("",), generate, summarise_generated),
    "answers": Plan(("",), ask, summarise),
    "retrieval": Plan(("",), search, summarise),
    "positions": Plan(
        POSITION_VARIANTS,
        ask_at_position,
        lambda results: summarise_sweep(results, POSITION_VARIANTS, "at"),
        POSITION_PASSAGES,
    ),
    "noise": Plan(
        NOISE_VARIANTS,
        ask_in_noise,
        lambda results: summarise_sweep(results, NOISE_VARIANTS, "with"),
        max(NOISE_LEVELS) + 1,
    ),
}
