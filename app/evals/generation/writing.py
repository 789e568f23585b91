"""A question about a passage, written by the decoder and answered back, alone and among all passages.

What the passage itself does not answer is dropped (round-trip consistency, Alberti et al. 2019), and so is
what search and answerer do not answer from it. What is left waits for a person, with what speaks against it:
a small decoder also writes questions that nobody would ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.answers.evaluation import Find, answer_case, in_prompt_order
from app.answers.grounding import find_evidence
from app.answers.markers import without_marker
from app.evals.cases import Gold
from app.evals.generation.filtering import REASONS, Drop, flaw, repeats, same_answer, says_nothing_new, tidy
from app.evals.metrics import normalize_answer
from app.evals.runs.places import DocumentsPlace
from app.evals.types import CaseAnswer
from app.services import GenerateOptions, Services
from ingest.instructions import without_instructions
from retrieval.types import Chunk

QUESTION_TOKENS = 48
SHOWN_HEADINGS = 2
QUOTE_CHARACTERS = 2000

WRITTEN = "Written by the decoder: read it before it counts."
DOUBTED = "The checker does not find the answer supported by the passage."


@dataclass(frozen=True, slots=True)
class Written:
    """A question with its answer and place, and what a person should know about it."""

    question: str
    answer: str
    gold: Gold
    notes: tuple[str, ...]


class NothingWritten(Exception):
    """The passage gave no question; `drop` and the message say why."""

    def __init__(self, drop: Drop) -> None:
        super().__init__(REASONS[drop])
        self.drop = drop


def write_question(services: Services, place: DocumentsPlace, chunk: Chunk, others: Sequence[str]) -> Written:
    """A question unlike the others; raises NothingWritten, and what answering raises."""
    return filtered(services, place.search, place.config.top_k, asked(services, chunk), chunk, others)


def filtered(
    services: Services, search: Find, reads: int, question: str, chunk: Chunk, others: Sequence[str]
) -> Written:
    """The question with its answer, if it passes; raises NothingWritten, and what answering raises.

    `reads`: passages of a search that an answer is written from.
    """
    if drop := flaw(question):
        raise NothingWritten(drop)
    if repeats(question, others):  # cheaper than to answer it back
        raise NothingWritten("duplicate")
    back = answer_case(services, question, (), lambda _: in_prompt_order([chunk]))
    if back.state == "refused" or not back.text.strip():
        raise NothingWritten("not_answered")
    answer = said(back)
    if says_nothing_new(question, answer):
        raise NothingWritten("says_nothing_new")
    if normalize_answer(answer) not in normalize_answer(chunk.text):
        raise NothingWritten("not_in_passage")
    if not _is_answered_back(services, search, reads, question, answer, chunk):
        raise NothingWritten("not_found")
    notes = [WRITTEN] if all(supported for _, supported in back.claims) else [WRITTEN, DOUBTED]
    return Written(question, answer, gold_of(chunk, question, answer), tuple(notes))


def asked(services: Services, chunk: Chunk) -> str:
    """The question that the decoder writes when it is asked for one."""
    generator = services.models.generator
    template = generator.template
    text = without_instructions(chunk.text)[0]
    headings = [each for each in chunk.headings[-SHOWN_HEADINGS:] if not without_instructions(each)[1]]
    segments = (
        template.preamble,
        template.passage_segment(1, text, headings),
        template.ask_segment(1),
    )
    options = GenerateOptions(max_new_tokens=QUESTION_TOKENS, stop=template.stop, markers=())
    pieces = generator.generate(segments, options, lambda: False)
    return tidy(" ".join("".join(without_marker(pieces, template.no_answer)).split()))


def gold_of(chunk: Chunk, question: str, answer: str) -> Gold:
    """The sentence that holds the answer, by its document and page."""
    start, end = find_evidence(question, answer, chunk.text)
    quote = chunk.text[start:end].strip()[:QUOTE_CHARACTERS] or None
    page = chunk.page_first if chunk.page_first == chunk.page_last else None
    return Gold(document_id=chunk.document_id, file=chunk.file_name, page=page, quote=quote)


def _is_answered_back(
    services: Services, search: Find, reads: int, question: str, answer: str, chunk: Chunk
) -> bool:
    """Whether the whole way, from search to checked answer, comes back to the passage with its answer."""
    found = answer_case(services, question, (), search, reads=reads)
    if found.state == "refused":
        return False
    return chunk.chunk_id in {each.chunk_id for each in found.cited} and same_answer(said(found), answer)


def said(answer: CaseAnswer) -> str:
    """An answer without its markers."""
    return " ".join(text for text, _ in answer.claims) or answer.text
