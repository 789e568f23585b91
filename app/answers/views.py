"""Stored rows and hits, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.answers.check_schemas import (
    ClaimOut,
    ConflictOut,
    CoverageOut,
    QuoteOut,
    RefusalOut,
    RemovedClaimOut,
)
from app.answers.repository import passage_row
from app.answers.schemas import (
    Answer,
    BasisOut,
    CitationOut,
    CitedDocumentOut,
    ErrorOut,
    Evidence,
    Feedback,
    HitOut,
    RanksOut,
    Scores,
    SearchResponse,
    SourceOut,
)
from app.answers.types import Passage
from app.tables import CitationRow, Message
from retrieval.analysis import matched_words
from retrieval.types import Hit, SearchResult


def answer_out(message: Message, citations: Sequence[CitationRow]) -> Answer:
    """A message with its footnotes."""
    trace: dict[str, Any] = message.trace or {}
    checks: dict[str, Any] = message.checks or {}
    cited = {row.number for row in citations}
    found = [SourceOut(**source) for source in message.sources or []]
    return Answer(
        message_id=message.id,
        conversation_id=message.conversation_id,
        question=message.question,
        standalone_question=message.standalone_question,
        answer=message.answer,
        state=message.state,  # type: ignore[arg-type]  # checked by pydantic
        grounding=message.grounding,  # type: ignore[arg-type]  # checked by pydantic
        weak_evidence=bool(message.weak_evidence),
        refusal=RefusalOut(**message.refusal) if message.refusal else None,
        citations=[_citation_out(row) for row in citations],
        claims=[ClaimOut(**claim) for claim in checks.get("claims", [])],
        removed_claims=[RemovedClaimOut(**claim) for claim in checks.get("removed_claims", [])],
        quotes=[QuoteOut(**quote) for quote in checks.get("quotes", [])],
        conflicts=[ConflictOut(**conflict) for conflict in checks.get("conflicts", [])],
        sources=[source for source in found if source.number in cited],
        also_retrieved=[source for source in found if source.number not in cited],
        coverage=CoverageOut(**message.coverage) if message.coverage else None,
        basis=BasisOut(**trace["basis"]) if trace.get("basis") else None,
        timings_ms=trace.get("timings_ms", {}),
        tokens=trace.get("tokens", {}),
        error=ErrorOut(**{name: message.error[name] for name in ErrorOut.model_fields})
        if message.error
        else None,
        feedback=Feedback(rating=message.rating, comment=message.comment)  # type: ignore[arg-type]
        if message.rating
        else None,
        replaces_message_id=message.replaces_id,
        created_at=message.created_at,
    )


def _citation_out(row: CitationRow) -> CitationOut:
    fields = {name: getattr(row, name) for name in CitationOut.model_fields}
    document = CitedDocumentOut.model_validate(row.document)
    return CitationOut(**fields | {"boxes": row.boxes or [], "document": document})


def search_out(question: str, result: SearchResult) -> SearchResponse:
    """Hits with the score of every stage."""
    return SearchResponse(
        question=question,
        hits=[_hit_out(number, hit, question) for number, hit in enumerate(result.hits, start=1)],
        evidence=Evidence(best=result.best_score, threshold=result.threshold, enough=result.enough_evidence),
        timings_ms=result.timings_ms,
    )


def _hit_out(number: int, hit: Hit, question: str) -> HitOut:
    row = passage_row(Passage(number, hit.chunk, hit.rerank))
    row.pop("score")
    return HitOut(
        **row,
        scores=Scores(dense=hit.dense, bm25=hit.bm25, fused=hit.fused, rerank=hit.rerank),
        ranks=RanksOut(dense=hit.ranks.dense, bm25=hit.ranks.bm25, fused=hit.ranks.fused),
        matched=matched_words(question, hit.chunk.text),
    )
