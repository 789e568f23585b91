"""Turns a follow-up into a standalone question, so that search sees what the person means.

A question that names its subject is left alone. Otherwise the decoder is asked to rewrite it. A rewrite that
brings in words which are neither in the question nor in the history is not trusted, and the last question's
subject words are put in front instead. The result is always shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.answers.words import WORD, content_words
from app.services import GenerateOptions, TextGenerator

REFERS_BACK = re.compile(
    r"\b(it|its|they|them|their|theirs|he|she|him|her|his|hers|this|that|these|those|there|one|ones|same|former|"
    r"latter|else|instead)\b",
    re.IGNORECASE,
)
OPENS_LIKE_FOLLOW_UP = re.compile(
    r"^\s*(and|but|so|also|or|what about|how about|why|how so|since when)\b", re.IGNORECASE
)
SHORT_WORDS = 3
EARLIER_SHOWN = 1  # questions before it, as many as the answerer was trained with


def is_follow_up(question: str) -> bool:
    """Whether the question leans on what was said before."""
    return bool(
        REFERS_BACK.search(question)
        or OPENS_LIKE_FOLLOW_UP.search(question)
        or len(content_words(question)) < SHORT_WORDS
    )


def standalone_question(question: str, history: Sequence[str], generator: TextGenerator) -> str:
    """The question as it would be asked without the history (earlier questions, oldest first)."""
    if not history or not is_follow_up(question):
        return question
    earlier = list(history[-EARLIER_SHOWN:])
    segments = tuple(generator.template.rewrite_segments(earlier, question))
    pieces = generator.generate(segments, GenerateOptions(max_new_tokens=48, stop=("\n",)), _never)
    rewritten = "".join(pieces).strip()
    return rewritten if _trusted(rewritten, question, earlier) else _with_subject(earlier[-1], question)


def _trusted(rewritten: str, question: str, earlier: Sequence[str]) -> bool:
    """Only words of these questions, and at least one brought in from an earlier one."""
    known = {word.casefold() for word in WORD.findall(" ".join((question, *earlier)))}
    new = set(content_words(rewritten))
    kept = {word for word in content_words(question) if not REFERS_BACK.fullmatch(word)}
    return bool(new - set(content_words(question))) and new <= known and kept - {"about"} <= new


def _with_subject(previous: str, question: str) -> str:
    asked = set(content_words(question))
    subject = [
        word for word in WORD.findall(previous) if word.casefold() in set(content_words(previous)) - asked
    ]
    return f"{' '.join(subject)}: {question}" if subject else question


def _never() -> bool:
    return False
