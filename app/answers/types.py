"""The vocabulary of answers: numbered passages, claims and their footnotes. Pure data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Chunk, Hit, SearchConfig

AnswerState = Literal["pending", "answered", "refused", "failed", "cancelled"]
RefusalReason = Literal["no_documents", "no_passages", "weak_evidence", "no_answer_found"]
Verdict = Literal["supported", "not_supported", "contradicted"]
PlacedBy = Literal["model", "alignment"]
Verify = Callable[[Sequence[tuple[str, str]]], NDArray[np.float32]]
"""(claim, passage) pairs to probabilities float32 [N, 3]: supported, contradicted, not supported."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered source of one prompt."""

    number: int  # 1-based; what the marker [number] names
    chunk: Chunk
    score: float | None  # calibrated rerank probability


@dataclass(frozen=True, slots=True)
class PackedPrompt:
    """What the generator reads, and which passages are in it."""

    segments: tuple[str, ...]  # tokenised one by one
    passages: tuple[Passage, ...]
    left_out: tuple[Passage, ...]  # passages that did not fit the token budget
    tokens: int
    no_answer: str | None = None  # the marker of an answer that the passages do not hold

    @property
    def text(self) -> str:
        """The whole prompt, for people."""
        return "".join(self.segments)

    @property
    def markers(self) -> tuple[str, ...]:
        """The only markers that may be generated: those of citations, and the one of a refusal."""
        refusal = () if self.no_answer is None else (self.no_answer,)
        return (*refusal, *(f"[{passage.number}]" for passage in self.passages))


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the answer: answer[start:end] == text + its markers; `text` has no markers."""

    text: str
    start: int
    end: int
    cited: tuple[int, ...]  # numbers of its markers, in order, without repeats


@dataclass(frozen=True, slots=True)
class Footnote:
    """One claim resting on one span of one passage."""

    passage: Passage
    claim: Claim
    start: int  # evidence span in the document's text
    end: int
    text: str
    verdict: Verdict
    score: float  # probability that the passage supports the claim, 0..1
    placed_by: PlacedBy


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer, in numbers a person can act on."""

    reason: RefusalReason
    best_score: float | None
    threshold: float
    documents_ready: int
    documents_pending: int
    documents_failed: int


def numbered(hits: Sequence[Hit], first: int = 1) -> tuple[Passage, ...]:
    """Hits as numbered passages, in their order."""
    return tuple(Passage(number, hit.chunk, hit.rerank) for number, hit in enumerate(hits, start=first))


@dataclass(slots=True)
class Draft:
    """An answer in the making; stored whole in one transaction at the end."""

    message_id: int
    conversation_id: int
    question: str
    standalone_question: str
    state: AnswerState = "pending"
    answer: str = ""
    refused_for: RefusalReason | None = None
    refusal: Refusal | None = None
    prompt: PackedPrompt | None = None
    closest: tuple[Passage, ...] = ()  # what search found, for a refusal to show
    footnotes: tuple[Footnote, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[Passage, ...]:
        """Every passage that was found, best first, under the numbers that the prompt gave them."""
        if self.prompt is None:
            return self.closest
        found = (*self.prompt.passages, *self.prompt.left_out)
        return tuple(sorted(found, key=lambda passage: -(passage.score or 0.0)))


@dataclass(frozen=True, slots=True)
class Command:
    """A saved question with its scope."""

    message_id: int
    conversation_id: int
    question: str
    collection_ids: Sequence[int] | None
    document_ids: Sequence[int] | None
    config: SearchConfig
    standalone_question: str | None = None  # the person's own words for what a follow-up means
