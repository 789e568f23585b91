"""Packs numbered passages into a token budget. Pure: text in, text out.

A prompt is a row of segments: the template's preamble, one for each passage, and the question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.answers.types import PackedPrompt, numbered
from app.errors import QuestionTooLong
from app.services import AnswerTemplate
from retrieval.types import Hit

BEGIN_TOKENS = 1  # what a decoder puts before its prompt, at most


def pack(
    question: str,
    hits: Sequence[Hit],
    template: AnswerTemplate,
    count_tokens: Callable[[str], int],
    *,
    budget_tokens: int,
    max_passages: int,
) -> PackedPrompt:
    """The prompt over as many of the best hits as fit, best first; what did not fit is listed, never cut.

    Raises QuestionTooLong when not even one passage fits beside the question.
    """
    asked = template.question_segment(question)
    fixed = BEGIN_TOKENS + count_tokens(template.preamble) + count_tokens(asked)
    most = max_passages if template.max_passages is None else min(max_passages, template.max_passages)
    segments: list[str] = []
    used = fixed
    for number, hit in enumerate(hits[:most], start=1):
        segment = template.passage_segment(number, hit.chunk.text)
        cost = count_tokens(segment)
        if used + cost > budget_tokens:
            break
        segments.append(segment)
        used += cost
    if hits and not segments:
        raise QuestionTooLong(
            f"The question and the instructions take {fixed} of {budget_tokens} tokens, so no passage fits."
        )
    kept = len(segments)
    return PackedPrompt(
        segments=(template.preamble, *segments, asked),
        passages=numbered(hits[:kept]),
        left_out=numbered(hits[kept:], first=kept + 1),
        tokens=used,
        no_answer=template.no_answer,
    )
