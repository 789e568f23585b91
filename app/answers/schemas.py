"""Request and response bodies of search, ask and conversations."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.answers.check_schemas import (
    BoxOut,
    ClaimOut,
    ConflictOut,
    CoverageOut,
    QuoteOut,
    RefusalOut,
    RemovedClaimOut,
)
from app.answers.types import GeneratorChoice, GroundingState
from app.db import storable
from app.schemas import Name, RequestModel, RowId
from retrieval.types import SearchConfig


def _asked(text: str) -> str:
    """The question as both databases can store it; blank questions are refused."""
    stripped = storable(text).strip()
    if not stripped:
        raise ValueError("must not be blank")
    return stripped


def _comment(text: str) -> str | None:
    return storable(text).strip() or None


Question = Annotated[
    str, Field(max_length=20_000, description="The question, in plain words."), AfterValidator(_asked)
]


class SearchOverrides(RequestModel):
    """Fields of the search configuration to change for this request only."""

    dense_k: int | None = Field(default=None, ge=1, le=1000)
    bm25_k: int | None = Field(default=None, ge=1, le=1000)
    rrf_k: int | None = Field(default=None, ge=1, le=1000)
    rerank_k: int | None = Field(default=None, ge=1, le=500)
    fused_weight: int | None = Field(default=None, ge=0, le=1000)
    top_k: int | None = Field(default=None, ge=1, le=50)
    evidence_threshold: float | None = Field(default=None, ge=0, le=1)

    def applied_to(self, config: SearchConfig) -> SearchConfig:
        """The configuration with what is given; a given threshold goes before those of collections."""
        changed = replace(config, **self.model_dump(exclude_none=True))
        return changed if self.evidence_threshold is None else replace(changed, own_thresholds=False)


class Scope(RequestModel):
    """Which documents a question may use; both empty means everything the user may see."""

    collection_ids: list[RowId] | None = Field(default=None, max_length=1000)
    document_ids: list[RowId] | None = Field(default=None, max_length=10_000)
    configuration: Name | None = Field(
        default=None, description="A saved search configuration; without it the one in force."
    )
    config: SearchOverrides = SearchOverrides()


class SearchRequest(Scope):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"question": "How many days of leave are there?", "config": {"top_k": 3}}]
        },
    )
    question: Question


class AskRequest(Scope):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"question": "How many days of leave are there?"},
                {"question": "And for new people?", "conversation_id": 1, "stream": True},
            ]
        },
    )
    question: Question
    standalone_question: Question | None = Field(
        default=None, description="What a follow-up means, in your words: nothing is rewritten then."
    )
    conversation_id: RowId | None = None
    replaces_message_id: RowId | None = Field(
        default=None,
        description="Ask or answer this message anew: it and what follows it leave the conversation.",
    )
    weak_evidence: Literal["refuse", "answer"] = Field(
        default="refuse",
        description="`answer`: where the evidence is weak an answer is written all the same, and marked.",
    )
    generator: GeneratorChoice = Field(
        default="auto",
        description="Which decoder writes: `auto` gives questions with weak evidence to the larger one, "
        "where there is one that is not overloaded.",
    )
    stream: bool = False


class AskAgainRequest(RequestModel):
    """The same question in the same scope, understood otherwise."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"standalone_question": "What does the ferry cost for children?"}]},
    )
    standalone_question: Question
    stream: bool = False


class FeedbackRequest(RequestModel):
    """A thumb and, if wanted, words."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"rating": "down", "comment": "The old handbook."}]}
    )
    rating: Literal["up", "down"]
    comment: Annotated[str, Field(max_length=5000), AfterValidator(_comment)] | None = None


class PassageOut(BaseModel):
    """A passage and where it stands."""

    number: int
    chunk_id: int
    document_id: int
    document_version: int
    file_name: str
    page: int | None
    headings: list[str]
    start: int
    end: int
    text: str


class Scores(BaseModel):
    dense: float | None
    bm25: float | None
    fused: float
    rerank: float | None


class RanksOut(BaseModel):
    """Where the passage stood in each ranking, from 1; null where that ranking did not hold it."""

    dense: int | None
    bm25: int | None
    fused: int | None


class HitOut(PassageOut):
    scores: Scores
    ranks: RanksOut
    matched: list[str] = Field(description="Words of the question that the passage holds, in any form.")


class Evidence(BaseModel):
    """What the evidence gate saw: the score that decided, and the threshold that it was compared with."""

    best: float | None
    threshold: float
    enough: bool


class SearchResponse(BaseModel):
    question: str
    hits: list[HitOut]
    evidence: Evidence
    timings_ms: dict[str, float]


class SourceOut(PassageOut):
    score: float | None


class CitedDocumentOut(BaseModel):
    """Whether the cited version still answers; the citation's own words stay whatever becomes of it."""

    model_config = ConfigDict(from_attributes=True)

    state: Literal["current", "replaced", "deleted"]
    version_now: int | None = Field(description="The version that answers in its place.")
    since: datetime | None = Field(description="When it was replaced or deleted.")
    readable: bool = Field(description="Its pages can still be opened, with `version` where it was replaced.")


class CitationOut(BaseModel):
    """A footnote: answer[claim_start:claim_end] rests on text[start:end] of a document version."""

    number: int
    claim_start: int
    claim_end: int
    chunk_id: int
    document_id: int
    document_version: int
    file_name: str
    page: int | None
    start: int
    end: int
    text: str
    boxes: list[BoxOut] = Field(description="Where the evidence stands on its page, line by line.")
    verdict: Literal["supported", "not_supported", "contradicted"]
    score: float
    placed_by: Literal["model", "alignment"]
    document: CitedDocumentOut = Field(description="What has become of the cited version.")


class ErrorOut(BaseModel):
    code: str
    stage: str
    cause: str
    next_step: str


class Feedback(BaseModel):
    """What a person thinks of an answer."""

    rating: Literal["up", "down"]
    comment: str | None = None


class BasisOut(BaseModel):
    """What an answer about a whole corpus rests on."""

    kind: Literal["summarise", "list", "compare", "count"]
    method: Literal["rows", "words", "documents", "passages"] = Field(
        description="Computed over rows or words, documents asked one by one, or only the best passages."
    )
    note: str


class Answer(BaseModel):
    """A question with its answer, its footnotes, what was checked, and every passage that was found."""

    message_id: int
    conversation_id: int
    question: str
    standalone_question: str | None
    answer: str | None
    state: Literal["pending", "answered", "refused", "failed", "cancelled"] = Field(
        description="How far it got."
    )
    grounding: GroundingState | None = Field(description="How well it is supported; null while unfinished.")
    weak_evidence: bool = Field(description="Answered because `weak_evidence: answer` asked for it.")
    refusal: RefusalOut | None
    citations: list[CitationOut]
    claims: list[ClaimOut]
    removed_claims: list[RemovedClaimOut]
    quotes: list[QuoteOut]
    conflicts: list[ConflictOut] = Field(description="Claims that another passage disputes.")
    sources: list[SourceOut] = Field(description="The passages that are cited.")
    also_retrieved: list[SourceOut] = Field(description="The passages that were found and are not cited.")
    coverage: CoverageOut | None
    basis: BasisOut | None = Field(description="Of an answer about a whole corpus; null for others.")
    timings_ms: dict[str, float]
    tokens: dict[str, int]
    error: ErrorOut | None = None
    feedback: Feedback | None = None
    replaces_message_id: int | None = None
    created_at: datetime


class AnswerList(BaseModel):
    items: list[Answer]


class Cancelled(BaseModel):
    message_id: int
    state: Literal["cancelling", "finished"]
