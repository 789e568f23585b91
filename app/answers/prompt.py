"""Packs numbered passages into a token budget. Pure: text in, text out.

The base decoder is not instruction-tuned, so the task is shown by three short examples (few-shot, Brown et
al. 2020) about invented things; no example can answer a user's question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from app.answers.types import PackedPrompt, numbered
from app.errors import QuestionTooLong
from retrieval.types import Hit

PREAMBLE = (
    "Each question is answered briefly, in the words of the source that holds the answer, and the number of "
    "that source follows in brackets.\n\n"
)
EXAMPLES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (
            "Harlow Bridge was opened to traffic in May 1931 after four years of work. "
            "It carries two lanes and a footpath over the Wend.",
            "The ferry at Wend Landing runs every twenty minutes between six in the morning "
            "and nine at night. A return ticket costs 4.50 crowns.",
        ),
        "How much is a return ticket for the ferry?",
        "4.50 crowns [2]",
    ),
    (
        (
            "Dr. Ines Valko led the survey of the northern reef from 2009 until she retired in 2016. "
            "Her deputy, Tomas Reer, took over after her.",
            "Members may borrow up to six books for three weeks. Each day of delay costs ten cents a book.",
        ),
        "Who took over the survey of the northern reef?",
        "Tomas Reer [1]",
    ),
    (
        (
            "The plant needs 40 litres of cooling water a minute. "
            "The pumps are checked twice a year, in March and in October.",
            "Night shifts start at 22:00. "
            "Workers on a night shift get a meal and a paid break of 45 minutes.",
        ),
        "When are the pumps checked?",
        "In March and October [1]",
    ),
)
STOP_SEQUENCES = ("\n", "Question:", "Sources:")
MARKER_LIKE = re.compile(r"\[(\d+)\]")


def _one_line(text: str) -> str:
    """Whitespace folded; bracketed numbers of the document cannot pass for markers of ours."""
    return " ".join(MARKER_LIKE.sub(r"(\1)", text).split())


def _sources(texts: Sequence[str]) -> str:
    return "".join(f"[{number}] {_one_line(text)}\n" for number, text in enumerate(texts, start=1))


def _block(texts: Sequence[str], question: str) -> str:
    return f"Sources:\n{_sources(texts)}Question: {_one_line(question)}\nAnswer:"


def preamble() -> str:
    """The part that is the same in every prompt, so that its keys and values can be cached."""
    shown = (f"{_block(texts, question)} {answer}\n\n" for texts, question, answer in EXAMPLES)
    return PREAMBLE + "".join(shown)


def pack(
    question: str,
    hits: Sequence[Hit],
    count_tokens: Callable[[str], int],
    *,
    budget_tokens: int,
    max_passages: int,
) -> PackedPrompt:
    """The prompt over as many of the best hits as fit; what did not fit is listed, never cut.

    Raises QuestionTooLong when not even one passage fits beside the question.
    """
    fixed = count_tokens(preamble() + _block((), question))
    kept: list[Hit] = []
    used = fixed
    for hit in hits[:max_passages]:
        cost = count_tokens(_sources([hit.chunk.text])) + 1  # joins may split one token differently
        if used + cost > budget_tokens:
            break
        kept.append(hit)
        used += cost
    if hits and not kept:
        raise QuestionTooLong(
            f"The question and the instructions take {fixed} of {budget_tokens} tokens, so no passage fits."
        )
    left_out = hits[len(kept) :]
    kept.reverse()  # small models heed what stands next to the question: the best passage comes last
    return PackedPrompt(
        text=preamble() + _block([hit.chunk.text for hit in kept], question),
        passages=numbered(kept),
        left_out=numbered(left_out, first=len(kept) + 1),
        tokens=used,
    )
