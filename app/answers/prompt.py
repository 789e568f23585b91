"""Packs numbered passages into a token budget. Pure: text in, text out.

A prompt is a row of segments: the template's preamble, one for each passage, and the question. Sentences that
address a model are withheld: a passage is data, and never says what is to be done with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.answers.types import PackedPrompt, numbered
from app.errors import QuestionTooLong
from app.services import AnswerTemplate
from ingest.instructions import without_instructions
from retrieval.types import Hit

BEGIN_TOKENS = 1  # what a decoder puts before its prompt, at most
SHOWN_HEADINGS = 2  # the innermost ones, which say most about a passage
NUMBER_TOKENS = 1  # a passage's number may take one token more once the order is known


def pack(
    question: str,
    hits: Sequence[Hit],
    template: AnswerTemplate,
    count_tokens: Callable[[str], int],
    *,
    budget_tokens: int,
    max_passages: int,
) -> PackedPrompt:
    """The prompt over as many of the best hits as fit, best last; what did not fit is listed, never cut.

    Small models heed what stands next to the question: see the position sweep in docs/models.md.

    Raises QuestionTooLong when not even one passage fits beside the question.
    """
    asked = template.question_segment(question)
    fixed = BEGIN_TOKENS + count_tokens(template.preamble) + count_tokens(asked)
    most = max_passages if template.max_passages is None else min(max_passages, template.max_passages)
    kept: list[Hit] = []
    used = fixed
    shown, wholly_withheld = _trusted(hits[:most])
    for hit in shown:
        cost = count_tokens(_segment(template, len(kept) + 1, hit)) + NUMBER_TOKENS
        if used + cost > budget_tokens:
            break
        kept.append(hit)
        used += cost
    if shown and not kept:
        raise QuestionTooLong(
            f"The question and the instructions take {fixed} of {budget_tokens} tokens, so no passage fits."
        )
    left_out = [*shown[len(kept) :], *hits[most:], *wholly_withheld]
    kept.reverse()
    texts = [_segment(template, number, hit) for number, hit in enumerate(kept, start=1)]
    return PackedPrompt(
        segments=(template.preamble, *texts, asked),
        passages=numbered(kept),
        left_out=numbered(left_out, first=len(kept) + 1),
        tokens=fixed + sum(map(count_tokens, texts)),
        no_answer=template.no_answer,
        withheld=tuple(sentence for hit in kept for sentence in without_instructions(hit.chunk.text)[1]),
    )


def _trusted(hits: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Hits of which something is left without what addresses a model, and the others."""
    split: tuple[list[Hit], list[Hit]] = ([], [])
    for hit in hits:
        split[not without_instructions(hit.chunk.text)[0].strip()].append(hit)
    return split


def _segment(template: AnswerTemplate, number: int, hit: Hit) -> str:
    headings = [each for each in hit.chunk.headings[-SHOWN_HEADINGS:] if not without_instructions(each)[1]]
    return template.passage_segment(number, without_instructions(hit.chunk.text)[0], headings)
