"""The life of a question, DESIGN section 1: rewrite, search, gate, pack, generate, check, store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.accounts.service import local_account
from app.answers import repository
from app.answers.grounding import check, split_claims, with_markers
from app.answers.markers import without_marker
from app.answers.prompt import pack
from app.answers.rewrite import standalone_question
from app.answers.search import find, scope
from app.answers.types import Draft, Refusal, numbered
from app.services import GenerateOptions, Services
from retrieval.types import AccessFilter, Hit, SearchConfig, SearchResult

EventName = Literal["question", "sources", "token", "stored"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of an answer, as the stream tells it."""

    name: EventName
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A saved question with its scope."""

    message_id: int
    conversation_id: int
    question: str
    collection_ids: Sequence[int] | None
    document_ids: Sequence[int] | None
    config: SearchConfig


def answer(services: Services, command: Command, cancelled: Callable[[], bool]) -> Iterator[Event]:
    """Writes the answer of a saved question, telling each step, and stores it in one transaction."""
    draft = Draft(command.message_id, command.conversation_id, command.question, command.question)
    started = time.perf_counter()
    with services.sessions() as session:
        user = local_account(session)
        history = repository.earlier_questions(session, draft.conversation_id, draft.message_id)
        with timed(draft, "rewrite"):
            draft.standalone_question = standalone_question(
                draft.question, history, services.models.generator
            )
        yield Event("question", _question(draft))
        with timed(draft, "search"):
            access = scope(services, session, user, command.collection_ids, command.document_ids)
            result = find(services, session, user, draft.standalone_question, access, command.config)
        draft.timings_ms |= result.timings_ms
        draft.closest = numbered(result.hits)
        if not result.enough_evidence:
            draft.refusal = _refusal(session, access, result, command.config)
    if draft.refusal:
        draft.state = "refused"
        yield Event("sources", _sources(draft, result, command.config))
    else:
        pack_prompt(services, draft, result.hits)
        yield Event("sources", _sources(draft, result, command.config))
        for text in write(services, draft, cancelled):
            yield Event("token", {"text": text})
        _ground(services, draft, access, result, command.config, cancelled)
    draft.timings_ms["total"] = (time.perf_counter() - started) * 1000
    with services.sessions.begin() as session:
        repository.store(session, draft, _trace(services, draft, result, command))
    yield Event("stored", {})


def pack_prompt(services: Services, draft: Draft, hits: Sequence[Hit]) -> None:
    with timed(draft, "pack"):
        generator, settings = services.models.generator, services.settings
        draft.prompt = pack(
            draft.standalone_question,
            hits,
            generator.template,
            generator.count_tokens,
            budget_tokens=min(settings.prompt_tokens, generator.context_tokens - settings.answer_tokens),
            max_passages=settings.prompt_passages,
        )
        draft.tokens["prompt"] = draft.prompt.tokens


def write(services: Services, draft: Draft, cancelled: Callable[[], bool]) -> Iterator[str]:
    """Decodes the answer into the draft, piece by piece; it stays empty when the decoder finds none."""
    if draft.prompt is None:
        raise ValueError("pack the prompt before writing")
    generator = services.models.generator
    options = GenerateOptions(
        max_new_tokens=services.settings.answer_tokens,
        stop=generator.template.stop,
        markers=draft.prompt.markers,
        mask=services.settings.passage_mask,
        may_refuse=draft.prompt.no_answer is not None,
    )
    with timed(draft, "generate"):
        pieces = _first_timed(draft, generator.generate(draft.prompt.segments, options, cancelled))
        for piece in without_marker(pieces, draft.prompt.no_answer):
            text = piece if draft.answer else piece.lstrip()
            draft.answer += text
            if text:
                yield text
    draft.answer = draft.answer.rstrip()
    draft.tokens["answer"] = generator.count_tokens(draft.answer)


def _first_timed(draft: Draft, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces; the draft learns when the first of them came, shown or not."""
    started = time.perf_counter()
    for piece in pieces:
        draft.timings_ms.setdefault("first_token", (time.perf_counter() - started) * 1000)
        yield piece


def ground(services: Services, draft: Draft) -> None:
    """Footnotes for every claim of the draft; no claim at all means that no answer was found."""
    if draft.prompt is None:
        raise ValueError("pack the prompt before grounding")
    with timed(draft, "check"):
        claims = split_claims(draft.answer)
        footnotes = check(draft.standalone_question, claims, draft.prompt.passages, services.models.verify)
        draft.answer, placed = with_markers(draft.answer, footnotes)
        draft.footnotes = tuple(placed)
    draft.state = "answered" if draft.footnotes else "refused"


def _ground(
    services: Services,
    draft: Draft,
    access: AccessFilter,
    result: SearchResult,
    config: SearchConfig,
    cancelled: Callable[[], bool],
) -> None:
    ground(services, draft)
    if cancelled():
        draft.state = "cancelled"
    elif draft.state == "refused":
        with services.sessions() as session:
            draft.refusal = _refusal(session, access, result, config, wrote_nothing=True)


def _refusal(
    session: Session,
    access: AccessFilter,
    result: SearchResult,
    config: SearchConfig,
    wrote_nothing: bool = False,
) -> Refusal:
    counts = repository.count_documents(session, access)
    ready = counts.get("ready", 0)
    reason: Literal["no_documents", "no_passages", "weak_evidence", "no_answer_found"] = "weak_evidence"
    if wrote_nothing:
        reason = "no_answer_found"
    elif not result.hits:
        reason = "no_passages" if ready else "no_documents"
    return Refusal(
        reason=reason,
        best_score=result.best_score,
        threshold=config.evidence_threshold,
        documents_ready=ready,
        documents_pending=counts.get("queued", 0) + counts.get("processing", 0),
        documents_failed=counts.get("failed", 0),
    )


@contextmanager
def timed(draft: Draft, name: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        draft.timings_ms[name] = (time.perf_counter() - started) * 1000


def _question(draft: Draft) -> dict[str, Any]:
    return {
        "message_id": draft.message_id,
        "conversation_id": draft.conversation_id,
        "question": draft.question,
        "standalone_question": draft.standalone_question,
    }


def _sources(draft: Draft, result: SearchResult, config: SearchConfig) -> dict[str, Any]:
    return {
        "sources": [repository.passage_row(passage) for passage in draft.sources],
        "evidence": {
            "best": result.best_score,
            "threshold": config.evidence_threshold,
            "enough": result.enough_evidence,
        },
    }


def _trace(services: Services, draft: Draft, result: SearchResult, command: Command) -> dict[str, Any]:
    """Everything needed to explain this answer later."""
    models = services.models
    return {
        "prompt": draft.prompt.text if draft.prompt else None,
        "left_out": [passage.chunk.chunk_id for passage in draft.prompt.left_out] if draft.prompt else [],
        "retrieved": [
            {
                "chunk_id": hit.chunk.chunk_id,
                "dense": hit.dense,
                "bm25": hit.bm25,
                "fused": hit.fused,
                "rerank": hit.rerank,
            }
            for hit in result.hits
        ],
        "models": {
            "encoder": models.ingest.encoder_id,
            "reranker": models.reranker_id,
            "verifier": models.verifier_id,
            "generator": models.generator.id,
        },
        "config": {name: getattr(command.config, name) for name in SearchConfig.__slots__},
        "timings_ms": draft.timings_ms,
        "tokens": draft.tokens,
    }
