"""Writes the answer to a question about a whole corpus line by line, with the footnotes of each line.

A computed line is certain. For the others every document gives one short statement: the decoder's answer from
its passages, or for a summary the sentence of it that says most; each is checked like any other claim.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from app.answers.claims import checked_claims, grounding_state
from app.answers.corpus_plan import Asked, CorpusPlan, Line
from app.answers.generation import Generation
from app.answers.grounding import check, split_claims, with_markers
from app.answers.markers import without_marker
from app.answers.on_topic import on_topic, quotable
from app.answers.prompt import pack
from app.answers.sureness import refusal_offset
from app.answers.timing import timed
from app.answers.types import Claim, Draft, Footnote, Passage
from app.answers.writing import best_score_of, generate
from app.services import GenerateOptions, Services
from retrieval.types import Hit

SENTENCES_ALONE = 3  # of a document that is summarised alone
MAP_SECONDS = 60.0  # no further document is begun after that
SENTENCES_COMPARED = 2  # of a document that a comparison names


def write_corpus(
    services: Services, draft: Draft, plan: CorpusPlan, cancelled: Callable[[], bool]
) -> Iterator[str]:
    """The lines as they are found; the draft keeps them with their footnotes, claims and state."""
    draft.closest, draft.basis = plan.passages, plan.basis
    began = time.perf_counter()
    with timed(draft, "generate"):
        for line in plan.lines:
            yield _add(draft, *_computed(line))
        for place, asked in enumerate(plan.asked):
            if cancelled():
                break
            if time.perf_counter() - began > MAP_SECONDS:
                note = f"{plan.basis.note} Stopped after {MAP_SECONDS:.0f} s, {place} documents in."
                draft.basis = replace(plan.basis, note=note)
                break
            statement, notes = _statement(services, draft, plan, asked, cancelled)
            if statement:
                yield _add(draft, f"{asked.file_name}: ", statement, notes)
        if plan.is_by_name and not cancelled() and (text := _who_is_silent(draft, plan)):
            yield _add(draft, "", text, ())
    draft.claims = checked_claims(draft.footnotes)
    # A count of documents rests on no passage, and on no text either.
    counted = plan.lines and not draft.claims
    draft.grounding = "grounded" if counted else grounding_state(draft.claims, ())
    draft.tokens["answer"] = services.models.generator.count_tokens(draft.answer)


def _add(draft: Draft, lead: str, statement: str, notes: Sequence[Footnote]) -> str:
    """Puts a line at the end of the answer, its footnotes moved there; returns what was added."""
    bullet = ("\n" if draft.answer else "") + "• " + lead
    shift = len(draft.answer) + len(bullet)
    moved = tuple(
        replace(note, claim=replace(note.claim, start=note.claim.start + shift, end=note.claim.end + shift))
        for note in notes
    )
    draft.answer += bullet + statement
    draft.footnotes += moved
    return bullet + statement


def _computed(line: Line) -> tuple[str, str, list[Footnote]]:
    """A computed line with a footnote for each row or place that it rests on."""
    numbers = dict.fromkeys(each.passage.number for each in line.evidence)
    text = line.text + "".join(f" [{number}]" for number in numbers)
    claim = Claim(line.text, 0, len(text), tuple(numbers))
    notes = []
    for each in line.evidence:
        offset = each.passage.chunk.start
        words = each.passage.chunk.text[each.start - offset : each.end - offset]
        notes.append(
            Footnote(each.passage, claim, each.start, each.end, words, "supported", 1.0, "alignment")
        )
    return "", text, notes


def _statement(
    services: Services, draft: Draft, plan: CorpusPlan, asked: Asked, cancelled: Callable[[], bool]
) -> tuple[str, list[Footnote]]:
    """What one document says, with its footnotes; empty when it says nothing, or nothing that it supports."""
    if plan.is_by_name:
        text = _said_on(services, plan.topic, asked.passages)
    elif plan.kind == "summarise":
        most = SENTENCES_ALONE if len(plan.asked) == 1 else 1
        text = _said_most(services, plan.topic, asked.passages, most)
    else:
        text = _answered(services, draft, asked.passages, cancelled)
    if not text:
        silent = {"compare": "doesn't say", "summarise": "has no sentence to quote"}
        return ("" if cancelled() else silent.get(plan.kind, ""), [])
    question = "" if plan.is_by_name or plan.kind == "summarise" else draft.standalone_question
    notes = check(question, split_claims(text), asked.passages, services.models.verify)
    kept = [note for note in notes if note.verdict == "supported"]
    if len(kept) < len(notes) and services.settings.unsupported_claims == "remove":
        return "", []
    return with_markers(text, notes)


def _answered(
    services: Services, draft: Draft, passages: Sequence[Passage], cancelled: Callable[[], bool]
) -> str:
    """The decoder's answer from the passages of one document; empty when it finds none."""
    generator, settings = services.models.generator, services.settings
    packed = pack(
        draft.standalone_question,
        [Hit(passage.chunk, None, None, 0.0, passage.score) for passage in passages],
        generator.template,
        generator.count_tokens,
        budget_tokens=min(settings.prompt_tokens, generator.context_tokens - settings.answer_tokens),
        max_passages=len(passages),
    )
    if not packed.passages:
        return ""
    options = GenerateOptions(
        max_new_tokens=settings.answer_tokens,
        stop=generator.template.stop,
        markers=packed.markers,
        mask=settings.passage_mask,
        may_refuse=packed.no_answer is not None,
        best_score=best_score_of(packed),
        refusal_offset=refusal_offset(draft.min_sureness),
    )
    run = Generation(packed.segments, options, tuple(each.chunk.chunk_id for each in packed.passages))
    draft.generations.append(run)
    text = "".join(without_marker(generate(generator, run, cancelled), packed.no_answer)).strip()
    return _renumbered(text, packed.passages, passages)


def _renumbered(text: str, packed: Sequence[Passage], passages: Sequence[Passage]) -> str:
    """The text with the numbers that its passages have in the whole answer."""
    numbers = {each.chunk.chunk_id: each.number for each in passages}
    for each in packed:
        text = text.replace(f"[{each.number}]", f"[#{numbers[each.chunk.chunk_id]}]")
    return text.replace("[#", "[")


def _who_is_silent(draft: Draft, plan: CorpusPlan) -> str:
    """That only some of the compared documents speak of the topic, and which do not; empty when all do."""
    speaking = {note.passage.chunk.document_id for note in draft.footnotes}
    silent = [each.file_name for each in plan.asked if each.document_id not in speaking]
    spoke = [each.file_name for each in plan.asked if each.document_id in speaking]
    if not silent or not spoke:
        return ""
    about = f" about {plan.topic}" if plan.topic else ""
    verbs = ("says" if len(spoke) == 1 else "say", "doesn't" if len(silent) == 1 else "don't")
    return f"Only {_listed(spoke)} {verbs[0]} something{about}; {_listed(silent)} {verbs[1]} say."


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _said_on(services: Services, topic: str | None, passages: Sequence[Passage]) -> str:
    """What a document that was named says about the topic, word for word; empty when it is silent."""
    if topic is None:
        return _said_most(services, None, passages, SENTENCES_COMPARED)
    sentences = quotable(passages)
    models = services.models
    return " ".join(on_topic(topic, sentences, models.score_pairs, models.ingest.encode, SENTENCES_COMPARED))


def _said_most(services: Services, topic: str | None, passages: Sequence[Passage], count: int) -> str:
    """The sentences nearest to the topic, or to the middle of all, in their order; verbatim, on one line."""
    sentences = quotable(passages)
    if not sentences:
        return ""
    if topic is not None:
        scores = services.models.score_pairs([(topic, sentence) for sentence in sentences])
    else:
        vectors = services.models.ingest.encode(sentences)
        scores = vectors @ vectors.mean(axis=0)
    chosen = sorted(scores.argsort()[::-1][:count].tolist())
    return " ".join(sentences[index] for index in chosen)
