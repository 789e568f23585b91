"""The vocabulary of the evals: what is asked of the product, and the callables that ask it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

EvalAnswerState = Literal["answered", "refused", "failed"]

Label = Literal["supported", "contradicted", "not_supported"]


@dataclass(frozen=True, slots=True)
class EvalPassage:
    """A passage that a record brings along; `id` is what `gold` and citations name."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class EvalAnswer:
    """What came back for one question."""

    text: str  # citation markers may be left in
    state: EvalAnswerState
    cited_passage_ids: tuple[str, ...]
    seconds: float


AnswerFn = Callable[[str, Sequence[EvalPassage] | None], EvalAnswer]
"""Question and its passages (None: the indexed documents) to an answer; AppError counts as failed."""

VerdictFn = Callable[[str, Sequence[str]], tuple[Label, float]]
"""Claim and passages to a verdict and the probability, 0..1, that the passages support the claim."""

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total)."""
