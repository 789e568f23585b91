"""The vocabulary of the evals: what is asked of the product, and the callables that ask it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from retrieval.types import Chunk, Hit

EvalAnswerState = Literal["answered", "refused", "failed"]

Label = Literal["supported", "contradicted", "not_supported"]

EvalKind = Literal["answers", "positions", "noise", "retrieval", "claims", "generate", "calibrate"]
"""Of a run; `claims` runs on files only, `generate` writes questions instead of asking them, `calibrate`
scores them for the gate of a collection."""

RunStatus = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

Outcome = Literal["scored", "unscorable", "failed"]
"""Of one question: unscorable is not a wrong answer, it is a question whose answer nobody can judge."""


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


@dataclass(frozen=True, slots=True)
class CaseAnswer:
    """What came back for one question of a set, with everything that is scored."""

    state: Literal["answered", "refused"]
    text: str
    standalone_question: str
    hits: tuple[Hit, ...]  # best first, deeper than the prompt
    best_score: float | None
    cited: tuple[Chunk, ...] = ()
    left_out: int = 0  # passages that did not fit into the prompt
    claims: tuple[tuple[str, bool], ...] = ()  # words, and whether a cited passage supports them
    timings_ms: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)


AnswerFn = Callable[[str, Sequence[EvalPassage] | None], EvalAnswer]
"""Question and its passages (None: the indexed documents) to an answer; AppError counts as failed."""

VerdictFn = Callable[[str, Sequence[str]], tuple[Label, float]]
"""Claim and passages to a verdict and the probability, 0..1, that the passages support the claim."""

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total)."""
