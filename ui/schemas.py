"""What the service answers, as the interface reads it. Fields that the pages do not use are left out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Read(BaseModel):
    """A response; fields added later by the service are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Failure(Read):
    """Why something failed and what to do about it."""

    code: str
    stage: str = "request"
    cause: str
    next_step: str
    file: str | None = None
    page: int | None = None
    details: dict[str, Any] = {}


class Collection(Read):
    id: int
    name: str
    document_count: int = 0


class StageCount(Read):
    stage: str
    done: int
    total: int


class Progress(StageCount):
    stages: list[StageCount] = []
    seconds_left: float | None = None
    last_error: Failure | None = None  # of a try that failed; another follows


class SimilarDocument(Read):
    """Another document of the collection with the same or nearly the same text."""

    document_id: int
    file_name: str
    likeness: float
    same_bytes: bool = False


class Document(Read):
    id: int
    collection_id: int
    file_name: str
    size_bytes: int
    version: int = 1
    ready_version: int | None = None  # the one that answers questions
    status: Literal["queued", "processing", "ready", "failed"]
    progress: Progress | None = None
    page_count: int | None = None
    chunk_count: int | None = None
    paged: bool | None = None
    report: dict[str, Any] | None = None
    similar: list[SimilarDocument] = []
    error: Failure | None = None


class DocumentList(Read):
    items: list[Document]
    total: int


class DocumentVersion(Read):
    """One file that a document has been."""

    number: int
    state: str
    file_name: str
    size_bytes: int
    replaced_at: datetime | None = None
    purged_at: datetime | None = None


class Passage(Read):
    """A part of a document that search finds and a footnote can name."""

    chunk_id: int
    position: int
    page_first: int | None = None
    page_last: int | None = None
    headings: list[str] = []
    start: int
    end: int
    tokens: int
    text: str


class PassageList(Read):
    version: int | None = None
    total: int
    items: list[Passage]


class Known(Read):
    """What a collection has of a file that is about to be sent."""

    file_name: str
    match: Literal["none", "same_bytes", "same_name"]
    document_id: int | None = None
    document_name: str | None = None
    version: int | None = None


class Upload(Read):
    """The outcome of one uploaded file."""

    file_name: str
    document_id: int | None = None
    job_id: int | None = None
    status: Literal["queued", "duplicate", "rejected"]
    error: Failure | None = None


class Scores(Read):
    dense: float | None = None
    bm25: float | None = None
    fused: float | None = None
    rerank: float | None = None


class Source(Read):
    """A numbered passage that was in the prompt, or a search hit."""

    number: int
    chunk_id: int
    document_id: int
    document_version: int = 1
    file_name: str
    page: int | None = None
    headings: list[str] = []
    start: int  # characters of the document's text
    end: int
    text: str
    score: float | None = None


class Ranks(Read):
    """Places in the rankings, from 1; None where a ranking did not hold the passage."""

    dense: int | None = None
    bm25: int | None = None
    fused: int | None = None


class Hit(Source):
    scores: Scores
    ranks: Ranks = Ranks()
    matched: list[str] = []  # words of the question that the passage holds


class Evidence(Read):
    """What the evidence gate saw."""

    best: float | None = None
    threshold: float
    enough: bool


class SearchResult(Read):
    hits: list[Hit]
    evidence: Evidence
    timings_ms: dict[str, float] = {}


class CitedDocument(Read):
    """What has become of a cited version."""

    state: Literal["current", "replaced", "deleted"]
    version_now: int | None = None
    since: datetime | None = None
    readable: bool = True


class Citation(Read):
    """A footnote: the words answer[claim_start:claim_end] rest on the span start..end of a document."""

    number: int
    claim_start: int
    claim_end: int
    chunk_id: int
    document_id: int
    document_version: int = 1
    file_name: str
    page: int | None = None
    start: int
    end: int
    text: str
    verdict: Literal["supported", "not_supported", "contradicted"]
    score: float
    placed_by: str = "model"
    document: CitedDocument | None = None


class NearMiss(Read):
    """A passage that came close; `number` is that of `also_retrieved`."""

    number: int
    file_name: str
    page: int | None = None
    score: float
    short_by: float = 0.0


class Filters(Read):
    collections: list[str] = []
    documents: list[str] = []


class UnreadFile(Read):
    """A file that could hold the answer and could not be searched."""

    document_id: int
    file_name: str
    cause: str | None = None


class RemovedClaim(Read):
    text: str


class Quote(Read):
    """A quoted span of the answer, and whether its source says that word for word."""

    text: str
    verdict: Literal["supported", "misattributed", "stitched", "not_found"]


class ConflictPlace(Read):
    """Words of a passage; `number` is that of `sources` or `also_retrieved`."""

    number: int


class Conflict(Read):
    """A claim that one passage supports and another disputes."""

    supporting: ConflictPlace
    disputing: ConflictPlace
    supporting_text: str
    disputing_text: str


class Coverage(Read):
    searched: int
    pending: int = 0
    failed: int = 0


class Refusal(Read):
    reason: str
    best_score: float | None = None
    threshold: float | None = None
    documents_ready: int = 0
    documents_pending: int = 0
    documents_failed: int = 0
    near_misses: list[NearMiss] = []
    filters: Filters = Filters()
    failed_files: list[UnreadFile] = []
    pending_files: list[UnreadFile] = []


class Feedback(Read):
    rating: Literal["up", "down"]
    comment: str | None = None


class Basis(Read):
    """What an answer about a whole corpus rests on."""

    method: str
    note: str


class Answer(Read):
    message_id: int
    conversation_id: int
    question: str
    standalone_question: str | None = None
    answer: str | None = None
    state: Literal["answered", "refused", "failed", "cancelled", "pending"]
    refusal: Refusal | None = None
    error: Failure | None = None
    citations: list[Citation] = []
    sources: list[Source] = []  # cited
    also_retrieved: list[Source] = []
    grounding: str | None = None  # grounded, partly, ungrounded, refused
    weak_evidence: bool = False
    removed_claims: list[RemovedClaim] = []
    quotes: list[Quote] = []
    conflicts: list[Conflict] = []
    coverage: Coverage | None = None
    basis: Basis | None = None
    timings_ms: dict[str, float] = {}
    feedback: Feedback | None = None
    replaces_message_id: int | None = None


class ConversationSummary(Read):
    id: int
    title: str
    updated_at: datetime | None = None
    excerpt: str | None = None  # where the searched words stand


class Conversation(ConversationSummary):
    messages: list[Answer] = []


class Share(Read):
    """A link to a conversation."""

    token: str
    last_message_id: int


class SharedAnswer(Answer):
    """A turn as a link shows it: it has no ids of its own."""

    message_id: int = 0
    conversation_id: int = 0


class SharedConversation(Read):
    title: str
    messages: list[SharedAnswer] = []


class AskQuestion(Read):
    """Event `question`: the question is saved."""

    message_id: int
    conversation_id: int
    question: str
    standalone_question: str | None = None


class AskSources(Read):
    """Event `sources`: what will be read."""

    sources: list[Source]
    evidence: Evidence | None = None


class AskToken(Read):
    """Event `token`: a piece of the answer."""

    text: str


class AskCitations(Read):
    """Event `citations`: the checked answer."""

    answer: str
    citations: list[Citation]


class AskDone(Answer):
    """Event `done`: the stored answer."""


AskEvent = AskQuestion | AskSources | AskToken | AskCitations | AskDone
