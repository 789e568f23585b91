"""The life of a question, DESIGN section 1: rewrite, search, gate, pack, generate, check, store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.accounts.service import local_account
from app.answers import repository
from app.answers.checking import ground
from app.answers.corpus_plan import CorpusPlan, partial_basis, plan_corpus
from app.answers.corpus_writing import write_corpus
from app.answers.decision import Signals, decide
from app.answers.refusing import why_not_found
from app.answers.rewrite import standalone_question
from app.answers.scope_report import coverage
from app.answers.search import find, scope
from app.answers.timing import timed
from app.answers.tracing import trace_of
from app.answers.types import Basis, Command, Draft, numbered
from app.answers.writing import pack_prompt, write
from app.gate.thresholds import own_thresholds
from app.services import Services
from retrieval.types import AccessFilter, Hit, SearchResult

EventName = Literal["question", "sources", "token", "stored"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of an answer, as the stream tells it."""

    name: EventName
    data: dict[str, Any]


def answer(services: Services, command: Command, cancelled: Callable[[], bool]) -> Iterator[Event]:
    """Writes the answer of a saved question, telling each step, and stores it in one transaction."""
    draft = Draft(command.message_id, command.conversation_id, command.question, command.question)
    draft.weak_evidence, draft.wanted_generator = command.answer_anyway, command.generator
    with timed(draft, "total"):
        with services.sessions() as session:
            rewrite(services, session, draft, command)
            yield Event("question", _question(draft))
            access, result = search(services, session, draft, command)
            plan = _plan(services, session, draft, command, access)
        if plan is None:
            yield from _from_passages(services, draft, command, result, cancelled)
            draft.basis = _partial(services, draft, access)
        else:
            yield from _from_corpus(services, draft, plan, result, cancelled)
        finish(services, draft, command, access, result, cancelled)
    with services.sessions.begin() as session:
        repository.store(session, draft, trace_of(services, draft, result, command))
    yield Event("stored", {})


def _from_passages(
    services: Services, draft: Draft, command: Command, result: SearchResult, cancelled: Callable[[], bool]
) -> Iterator[Event]:
    """Gate, pack, generate, check: the answer that the best passages give."""
    signals = Signals.before_writing(result, command)
    draft.refused_for = decide(signals)
    if draft.refused_for is None:
        pack_prompt(services, draft, result.hits)
    yield Event("sources", _sources(draft, result))
    if draft.refused_for is None:
        for text in write(services, draft, cancelled):
            yield Event("token", {"text": text})
        ground(services, draft)
        draft.refused_for = decide(signals.after_checking(draft))


def _from_corpus(
    services: Services, draft: Draft, plan: CorpusPlan, result: SearchResult, cancelled: Callable[[], bool]
) -> Iterator[Event]:
    """Rows computed, or documents asked one by one; it grows line by line."""
    draft.closest, draft.basis = plan.passages, plan.basis
    yield Event("sources", _sources(draft, result))
    for text in write_corpus(services, draft, plan, cancelled):
        yield Event("token", {"text": text})
    if not draft.footnotes and not plan.lines:  # every document was silent
        draft.answer, draft.refused_for = "", "no_answer_found"


def _plan(
    services: Services, session: Session, draft: Draft, command: Command, access: AccessFilter
) -> CorpusPlan | None:
    """How a question about everything is answered; None for an ordinary question.

    Where documents are to be asked, as many passages are found as the reranker reads, and those
    that are no evidence by the threshold of their collection are left out.
    """
    user = local_account(session)
    config = replace(command.config, top_k=command.config.rerank_k)

    def search_wider(question: str) -> list[Hit]:
        hits = find(services, session, user, question, access, config).hits
        own = own_thresholds(session, access) if config.own_thresholds else {}
        return [
            hit
            for hit in hits
            if (hit.rerank or 0.0) >= own.get(hit.chunk.collection_id, config.evidence_threshold)
        ]

    def search_in(topic: str, document_id: int) -> Sequence[Hit]:
        inside = scope(services, session, user, command.collection_ids, [document_id])
        return find(services, session, user, topic, inside, config).hits

    return plan_corpus(session, user, draft.standalone_question, access, search_wider, search_in)


def _partial(services: Services, draft: Draft, access: AccessFilter) -> Basis | None:
    """Says of an answer to a question about everything how little of it was read."""
    if draft.prompt is None:
        return None
    with services.sessions() as session:
        return partial_basis(session, draft.standalone_question, access, draft.prompt.passages)


def rewrite(services: Services, session: Session, draft: Draft, command: Command) -> None:
    """The question in words that stand without the conversation: the person's own, if given."""
    if command.standalone_question:
        draft.standalone_question = command.standalone_question
        return
    with timed(draft, "rewrite"):
        history = repository.earlier_questions(session, draft.conversation_id, draft.message_id)
        draft.standalone_question = standalone_question(draft.question, history, services.models.generator)


def search(
    services: Services, session: Session, draft: Draft, command: Command
) -> tuple[AccessFilter, SearchResult]:
    """What the question may see, and the passages found there."""
    user = local_account(session)
    with timed(draft, "search"):
        access = scope(services, session, user, command.collection_ids, command.document_ids)
        carried = repository.cited_before(session, draft.conversation_id, draft.message_id)
        asked = draft.standalone_question
        result = find(services, session, user, asked, access, command.config, carried)
    draft.timings_ms |= result.timings_ms
    draft.min_sureness = result.min_sureness
    draft.closest = numbered(result.hits)
    draft.coverage = coverage(session, access)
    return access, result


def finish(
    services: Services,
    draft: Draft,
    command: Command,
    access: AccessFilter,
    result: SearchResult,
    cancelled: Callable[[], bool],
) -> None:
    """How the answer ended, and for a refusal why."""
    if (draft.prompt is not None or draft.basis is not None) and cancelled():
        draft.state = "cancelled"
    elif draft.refused_for is None:
        draft.state = "answered"
    else:
        draft.state = draft.grounding = "refused"
        with services.sessions() as session:
            draft.refusal = why_not_found(session, command, access, result, draft, draft.refused_for)


def _question(draft: Draft) -> dict[str, Any]:
    return {
        "message_id": draft.message_id,
        "conversation_id": draft.conversation_id,
        "question": draft.question,
        "standalone_question": draft.standalone_question,
    }


def _sources(draft: Draft, result: SearchResult) -> dict[str, Any]:
    return {
        "sources": [repository.passage_row(passage) for passage in draft.sources],
        "evidence": {
            "best": result.best_score,
            "threshold": result.threshold,
            "enough": result.enough_evidence,
        },
    }
