"""The answering code as the evals call it: the same prompt, gate, generator and check as in a chat."""

from __future__ import annotations

import time
from collections.abc import Sequence

from app.accounts.service import local_account
from app.answers.checking import ground
from app.answers.free_claims import claim_support
from app.answers.search import check_length, find, scope
from app.answers.types import Draft
from app.answers.writing import pack_prompt, write
from app.configurations.resolving import resolve
from app.evals.types import AnswerFn, EvalAnswer, EvalAnswerState, EvalPassage, VerdictFn
from app.services import Services
from retrieval.types import Chunk, Hit, SearchResult


def eval_answerer(services: Services, *, in_order: bool = False) -> AnswerFn:
    """Answers a question from exactly the given passages, or from the indexed documents.

    Given passages are ranked and gated as search would; `in_order` keeps their order and opens the gate.
    Without passages the cited ids are `file_name#page`, or `file_name` where there are no pages.
    """

    def answer_one(question: str, passages: Sequence[EvalPassage] | None) -> EvalAnswer:
        started = time.perf_counter()
        check_length(services, question)
        found = _found(services, question, passages, in_order)
        draft = Draft(0, 0, question, question, state="refused")
        if found.enough_evidence:
            pack_prompt(services, draft, found.hits)
            for _ in write(services, draft, _never):
                pass
            ground(services, draft)
        cited = dict.fromkeys(_cited_id(footnote.passage.chunk, passages) for footnote in draft.footnotes)
        seconds = time.perf_counter() - started
        state: EvalAnswerState = "answered" if draft.footnotes else "refused"
        return EvalAnswer(draft.answer, state, tuple(cited), seconds)

    return answer_one


def eval_verdicts(services: Services) -> VerdictFn:
    """The verdict on a claim from the passages that are said to hold its evidence."""
    return lambda claim, passages: claim_support(claim, passages, services.models.verify)


def _search(services: Services, question: str) -> SearchResult:
    with services.sessions() as session:
        user = local_account(session)
        access = scope(services, session, user, None, None)
        return find(services, session, user, question, access, resolve(session, user, services.settings))


def _found(
    services: Services, question: str, passages: Sequence[EvalPassage] | None, in_order: bool
) -> SearchResult:
    if passages is None:
        return _search(services, question)
    chunks = [_chunk(index, passage) for index, passage in enumerate(passages)]
    if not chunks:
        return SearchResult((), None, enough_evidence=False)
    if in_order:
        return SearchResult(tuple(Hit(chunk, None, None, 0.0, None) for chunk in chunks), None, True)
    return _ranked(services, question, chunks)


def _ranked(services: Services, question: str, chunks: Sequence[Chunk]) -> SearchResult:
    """The chunks in the order and behind the gate that search would give them."""
    with services.sessions() as session:
        config = resolve(session, local_account(session), services.settings)
    scores = services.models.score_pairs([(question, chunk.text) for chunk in chunks])
    ranked = sorted(zip(scores.tolist(), chunks, strict=True), key=lambda pair: -pair[0])
    hits = [Hit(chunk, None, None, 0.0, score) for score, chunk in ranked]
    best = hits[0].rerank
    return SearchResult(tuple(hits), best, best is not None and best >= config.evidence_threshold)


def _chunk(index: int, passage: EvalPassage) -> Chunk:
    headings = (passage.title,) if passage.title else ()
    return Chunk(index, 0, 0, passage.text, passage.title, 0, len(passage.text), None, None, headings, 1)


def _cited_id(chunk: Chunk, passages: Sequence[EvalPassage] | None) -> str:
    if passages is not None:
        return passages[chunk.chunk_id].id
    return f"{chunk.file_name}#{chunk.page_first}" if chunk.page_first else chunk.file_name


def _never() -> bool:
    return False
