"""Response bodies of what was checked: claims, quotes, conflicts, coverage, and why nothing was found."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Verdict = Literal["supported", "not_supported", "contradicted"]


class BoxOut(BaseModel):
    """A part of a line, in points from the page's lower left corner."""

    page: int
    left: float
    bottom: float
    right: float
    top: float


class ClaimOut(BaseModel):
    """answer[start:end] with its verdict over all passages that it rests on."""

    start: int
    end: int
    text: str = Field(description="The claim without its markers.")
    verdict: Verdict
    score: float = Field(description="Probability that the deciding passage supports it.")
    citations: list[int] = Field(description="Indices into `citations`; the first decides.")


class RemovedClaimOut(BaseModel):
    """A claim that was written and taken out, because no passage supports it."""

    text: str
    verdict: Verdict
    score: float


class PlaceOut(BaseModel):
    """Words of a numbered passage: characters of the document's text."""

    number: int
    document_id: int
    start: int
    end: int


class QuoteOut(BaseModel):
    """A quoted span, answer[start:end] == text, and whether its source says that word for word."""

    text: str
    start: int
    end: int
    verdict: Literal["supported", "misattributed", "stitched", "not_found"]
    places: list[PlaceOut]


class ConflictOut(BaseModel):
    """answer[claim_start:claim_end] is supported by one passage and disputed by another."""

    kind: Literal["contradiction", "number", "time", "date", "name"]
    claim_start: int
    claim_end: int
    supporting: PlaceOut
    disputing: PlaceOut
    supporting_text: str
    disputing_text: str
    supporting_value: str | None
    disputing_value: str | None
    contradicted: float = Field(description="Probability that the disputing sentence contradicts the claim.")


class CoverageOut(BaseModel):
    """Documents in the scope of the question when it was asked."""

    searched: int
    pending: int
    failed: int


class NearMissOut(BaseModel):
    """A passage that came close; `number` is that of `also_retrieved`."""

    number: int
    file_name: str
    page: int | None
    score: float
    short_by: float = Field(description="Threshold minus score; 0 where it reached the threshold.")


class FiltersOut(BaseModel):
    """What the question was limited to, by name; both empty: everything was searched."""

    collections: list[str] = []
    documents: list[str] = []


class FailedFileOut(BaseModel):
    document_id: int
    file_name: str
    code: str | None
    cause: str | None


class PendingFileOut(BaseModel):
    document_id: int
    file_name: str
    status: str


class RefusalOut(BaseModel):
    """Why there is no answer, with what could hold it."""

    reason: Literal["no_documents", "no_passages", "weak_evidence", "no_answer_found", "no_supported_claim"]
    best_score: float | None
    threshold: float
    documents_ready: int
    documents_pending: int
    documents_failed: int
    near_misses: list[NearMissOut] = []
    filters: FiltersOut = FiltersOut()
    failed_files: list[FailedFileOut] = []
    pending_files: list[PendingFileOut] = []
