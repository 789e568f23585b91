"""The answering code as the evals call it: the same prompt, gate, generator and check as in a chat."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.accounts.service import local_account
from app.answers.checking import ground
from app.answers.decision import Signals, decide
from app.answers.free_claims import claim_support
from app.answers.rewrite import standalone_question
from app.answers.search import check_length, find, scope
from app.answers.sureness import sureness_of
from app.answers.timing import timed
from app.answers.types import Command, Draft
from app.answers.writing import best_score_of, pack_prompt, write
from app.configurations.resolving import resolve
from app.evals.types import AnswerFn, CaseAnswer, EvalAnswer, EvalPassage, VerdictFn
from app.services import Services
from retrieval.types import Chunk, Hit, SearchConfig, SearchResult

Find = Callable[[str], SearchResult]
"""A question that stands alone to passages, best first, and whether they are evidence enough."""


def eval_answerer(services: Services, *, in_order: bool = False) -> AnswerFn:
    """Answers a question from exactly the given passages, or from the indexed documents.

    Given passages are ranked and gated as search would; with `in_order` they stand in the prompt as given,
    and the gate is open. Without passages the cited ids are `file_name#page`, or `file_name`.
    """

    def answer_one(question: str, passages: Sequence[EvalPassage] | None) -> EvalAnswer:
        started = time.perf_counter()
        answer = answer_case(
            services, question, (), lambda asked: _found(services, asked, passages, in_order)
        )
        cited = dict.fromkeys(_cited_id(chunk, passages) for chunk in answer.cited)
        return EvalAnswer(answer.text, answer.state, tuple(cited), time.perf_counter() - started)

    return answer_one


def answer_case(
    services: Services, question: str, history: Sequence[str], search: Find, *, reads: int | None = None
) -> CaseAnswer:
    """The steps of `service.answer` without conversation and storage; raises what they raise.

    `search` may find more passages than an answer reads, for measures of ranking; None reads what fits.
    """
    check_length(services, question)
    draft = Draft(0, 0, question, question)
    with timed(draft, "total"):
        with timed(draft, "rewrite"):
            draft.standalone_question = standalone_question(question, history, services.models.generator)
        with timed(draft, "search"):
            found = search(draft.standalone_question)
        _answer_from(services, draft, replace(found, hits=found.hits[:reads]))
    return CaseAnswer(
        state="answered" if draft.refused_for is None else "refused",
        text=draft.answer,
        standalone_question=draft.standalone_question,
        hits=found.hits,
        best_score=found.best_score,
        cited=tuple({note.passage.chunk.chunk_id: note.passage.chunk for note in draft.footnotes}.values()),
        left_out=len(draft.prompt.left_out) if draft.prompt else 0,
        claims=tuple((each.claim.text, each.verdict == "supported") for each in draft.claims),
        timings_ms=draft.timings_ms,
        tokens=draft.tokens,
    )


def _answer_from(services: Services, draft: Draft, found: SearchResult) -> None:
    """Gate, pack, write, check: as in a chat."""
    signals = Signals.before_writing(found, Command(0, 0, draft.question, None, None, SearchConfig()))
    draft.refused_for, draft.min_sureness = decide(signals), found.min_sureness
    if draft.refused_for is None:
        pack_prompt(services, draft, found.hits)
        for _ in write(services, draft, _never):
            pass
        ground(services, draft)
        draft.refused_for = decide(signals.after_checking(draft))


def sureness(services: Services, question: str, hits: Sequence[Hit]) -> float | None:
    """How sure the answerer is that these passages answer the question, 0..1; None: it never refuses.

    Nothing is written: the prompt is read as for an answer. 0 where no passage fits.
    """
    draft = Draft(0, 0, question, question, wanted_generator="default")
    pack_prompt(services, draft, hits)
    if draft.prompt is None or not draft.prompt.passages:
        return 0.0
    best = best_score_of(draft.prompt)
    lead = services.models.refusal_lead(draft.prompt.segments, services.settings.passage_mask, best)
    return None if lead is None else sureness_of(lead)


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
    chunks = own_chunks(passages)
    if not chunks:
        return SearchResult((), None, enough_evidence=False)
    if in_order:
        return in_prompt_order(chunks)
    with services.sessions() as session:
        config = resolve(session, local_account(session), services.settings)
    return ranked(services, question, chunks, config)


def in_prompt_order(chunks: Sequence[Chunk]) -> SearchResult:
    """An open gate, and hits that `pack` puts into the prompt in this order: it places the best one last."""
    return SearchResult(tuple(Hit(chunk, None, None, 0.0, None) for chunk in reversed(chunks)), None, True)


def ranked(services: Services, question: str, chunks: Sequence[Chunk], config: SearchConfig) -> SearchResult:
    """The chunks in the order and behind the gate that search would give them; there is at least one."""
    scores = services.models.score_pairs([(question, chunk.text) for chunk in chunks])
    ranked = sorted(zip(scores.tolist(), chunks, strict=True), key=lambda pair: -pair[0])
    hits = [Hit(chunk, None, None, 0.0, score) for score, chunk in ranked]
    best = hits[0].rerank
    enough = best is not None and best >= config.evidence_threshold
    return SearchResult(tuple(hits), best, enough, config.evidence_threshold, config.min_sureness)


def own_chunks(passages: Sequence[EvalPassage]) -> list[Chunk]:
    """Passages that a question brings along; the id of each is its position."""
    return [_chunk(index, passage) for index, passage in enumerate(passages)]


def _chunk(index: int, passage: EvalPassage) -> Chunk:
    headings = (passage.title,) if passage.title else ()
    return Chunk(index, 0, 0, passage.text, passage.title, 0, len(passage.text), None, None, headings, 1)


def _cited_id(chunk: Chunk, passages: Sequence[EvalPassage] | None) -> str:
    if passages is not None:
        return passages[chunk.chunk_id].id
    return f"{chunk.file_name}#{chunk.page_first}" if chunk.page_first else chunk.file_name


def _never() -> bool:
    return False
