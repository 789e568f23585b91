"""A question about a passage, written by the decoder and answered back from the passage alone.

What the passage itself does not answer is dropped (round-trip consistency, Alberti et al. 2019). What is left
waits for a person, with what speaks against it: a small decoder also writes questions that nobody would ask.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.answers.evaluation import answer_case, in_prompt_order
from app.answers.grounding import find_evidence
from app.answers.markers import without_marker
from app.evals.cases import Gold
from app.evals.metrics import normalize_answer
from app.evals.runs.places import DocumentsPlace
from app.services import GenerateOptions, Services
from ingest.instructions import without_instructions
from retrieval.types import Chunk

QUESTION_TOKENS = 48
SHOWN_HEADINGS = 2
FOUND_WITHIN = 5
QUOTE_CHARACTERS = 2000

WRITTEN = "Written by the decoder: read it before it counts."
DOUBTED = "The checker does not find the answer supported by the passage."
NOT_FOUND = f"Search has another passage before this one {FOUND_WITHIN} times: it may fit several documents."


@dataclass(frozen=True, slots=True)
class Written:
    """A question with its answer and place, and what a person should know about it."""

    question: str
    answer: str
    gold: Gold
    notes: tuple[str, ...]


class NothingWritten(Exception):
    """The passage gave no question; the message says why."""


def write_question(services: Services, place: DocumentsPlace, chunk: Chunk) -> Written:
    """Raises NothingWritten, and what answering raises."""
    question = asked(services, chunk)
    if not question.endswith("?"):
        raise NothingWritten("The decoder wrote no question.")
    back = answer_case(services, question, (), lambda _: in_prompt_order([chunk]))
    if back.state == "refused" or not back.text.strip():
        raise NothingWritten("The passage does not answer what was asked about it.")
    answer = " ".join(text for text, _ in back.claims) or back.text
    if normalize_answer(answer) not in normalize_answer(chunk.text):
        raise NothingWritten("The answer does not stand in the passage.")
    notes = [WRITTEN]
    if not all(supported for _, supported in back.claims):
        notes.append(DOUBTED)
    if not _is_found(place, question, chunk):
        notes.append(NOT_FOUND)
    return Written(question, answer, gold_of(chunk, question, answer), tuple(notes))


def asked(services: Services, chunk: Chunk) -> str:
    """The line that the decoder writes when it is asked for a question."""
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
    return " ".join("".join(without_marker(pieces, template.no_answer)).split())


def gold_of(chunk: Chunk, question: str, answer: str) -> Gold:
    """The sentence that holds the answer, by its document and page."""
    start, end = find_evidence(question, answer, chunk.text)
    quote = chunk.text[start:end].strip()[:QUOTE_CHARACTERS] or None
    page = chunk.page_first if chunk.page_first == chunk.page_last else None
    return Gold(document_id=chunk.document_id, file=chunk.file_name, page=page, quote=quote)


def _is_found(place: DocumentsPlace, question: str, chunk: Chunk) -> bool:
    hits = place.search(question, FOUND_WITHIN).hits[:FOUND_WITHIN]
    return any(hit.chunk.chunk_id == chunk.chunk_id for hit in hits)
