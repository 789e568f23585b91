"""The vocabulary of answers: numbered passages, claims and their footnotes. Pure data."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Chunk, Hit, SearchConfig

if TYPE_CHECKING:
    from app.answers.generation import Generation  # which knows the services, and they know this module

AnswerState = Literal["pending", "answered", "refused", "failed", "cancelled"]
RefusalReason = Literal[
    "no_documents", "no_passages", "weak_evidence", "no_answer_found", "no_supported_claim"
]
GroundingState = Literal["grounded", "partly", "ungrounded", "refused"]
Verdict = Literal["supported", "not_supported", "contradicted"]
QuoteVerdict = Literal["supported", "misattributed", "stitched", "not_found"]
ConflictKind = Literal["contradiction", "number", "time", "date", "name"]
PlacedBy = Literal["model", "alignment"]
GeneratorName = Literal["default", "larger"]
GeneratorChoice = Literal["auto", "default", "larger"]
RouteReason = Literal["only_one", "asked_for", "strong_evidence", "weak_evidence", "larger_overloaded"]
Verify = Callable[[Sequence[tuple[str, str]]], NDArray[np.float32]]
"""(claim, passage) pairs to probabilities float32 [N, 3]: supported, contradicted, not supported."""


@dataclass(frozen=True, slots=True)
class Route:
    """Which decoder writes, and why."""

    generator: GeneratorName = "default"
    reason: RouteReason = "only_one"


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
    withheld: tuple[str, ...] = ()  # sentences of the passages that address a model: not shown to it

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
class CheckedClaim:
    """A claim with its verdict over all passages that it rests on."""

    claim: Claim
    verdict: Verdict
    score: float  # probability that the deciding passage supports it, 0..1
    footnotes: tuple[int, ...]  # indices of its footnotes; the first decides


@dataclass(frozen=True, slots=True)
class RemovedClaim:
    """A claim that was written and taken out, because no passage supports it."""

    text: str
    verdict: Verdict
    score: float


@dataclass(frozen=True, slots=True)
class TextPlace:
    """Words of a numbered passage: characters of the document's text."""

    number: int  # of the passage
    document_id: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class QuoteCheck:
    """A quoted span, answer[start:end] == text, and whether its source says that word for word."""

    text: str
    start: int
    end: int
    verdict: QuoteVerdict
    places: tuple[TextPlace, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim that one passage supports and another one disputes."""

    kind: ConflictKind
    claim_start: int
    claim_end: int
    supporting: TextPlace
    disputing: TextPlace
    supporting_text: str
    disputing_text: str
    supporting_value: str | None  # the two values, where they are what differs
    disputing_value: str | None
    contradicted: float  # probability that the disputing sentence contradicts the claim


@dataclass(frozen=True, slots=True)
class Coverage:
    """Documents in the scope of the question when it was asked."""

    searched: int  # indexed, and not deleted
    pending: int  # queued or being read
    failed: int


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A passage that came close: which one, and how far below the threshold it is."""

    number: int
    file_name: str
    page: int | None
    score: float  # calibrated rerank probability
    short_by: float  # threshold minus score; 0 where it reached the threshold


@dataclass(frozen=True, slots=True)
class Filters:
    """What the asker limited the question to, by name; both empty: everything was searched."""

    collections: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that could not be read, and why."""

    document_id: int
    file_name: str
    code: str | None
    cause: str | None


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file that is still being read."""

    document_id: int
    file_name: str
    status: str  # queued, processing


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer, in numbers a person can act on."""

    reason: RefusalReason
    best_score: float | None
    threshold: float
    documents_ready: int
    documents_pending: int
    documents_failed: int
    near_misses: tuple[NearMiss, ...] = ()
    filters: Filters = Filters()
    failed_files: tuple[FailedFile, ...] = ()  # the latest ones
    pending_files: tuple[PendingFile, ...] = ()  # the oldest ones


def numbered(hits: Sequence[Hit], first: int = 1) -> tuple[Passage, ...]:
    """Hits as numbered passages, in their order."""
    return tuple(Passage(number, hit.chunk, hit.rerank) for number, hit in enumerate(hits, start=first))


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer about a whole corpus rests on, for people and for programs."""

    kind: Literal["summarise", "list", "compare", "count"]
    method: Literal["rows", "words", "documents", "passages"]  # the last: an ordinary answer
    note: str


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
    claims: tuple[CheckedClaim, ...] = ()
    removed_claims: tuple[RemovedClaim, ...] = ()
    quotes: tuple[QuoteCheck, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    grounding: GroundingState | None = None
    coverage: Coverage | None = None
    min_sureness: float = 0.5  # of the answer, 0..1; a half is the answerer's own calibration
    weak_evidence: bool = False  # written although it might be a refusal, because that was asked for
    basis: Basis | None = None  # of an answer about a whole corpus
    generations: list[Generation] = field(default_factory=list)  # every run of the decoder for the answer
    wanted_generator: GeneratorChoice = "auto"
    route: Route = Route()
    timings_ms: dict[str, float] = field(default_factory=dict)
    starts_ms: dict[str, float] = field(default_factory=dict)  # of the stages that are timed as a whole
    begun: float = field(default_factory=time.perf_counter)
    caches: dict[str, int] = field(default_factory=dict)  # what they did while the decoder wrote
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
    answer_anyway: bool = False  # weak evidence is answered from, and the answer marked
    generator: GeneratorChoice = "auto"
