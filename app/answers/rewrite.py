"""Turns a follow-up into a standalone question, so that search sees what the person means.

A question that names its subject is left alone. Otherwise the decoder is shown three examples and asked to
rewrite; a rewrite that brings in words which are neither in the question nor in the history is not
trusted, and the last question's subject words are put in front instead. The result is always shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.answers.grounding import WORD, content_words
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
EXAMPLES = (
    (
        "Who runs the ferry at Wend Landing?",
        "How much does it cost?",
        "How much does the ferry at Wend Landing cost?",
    ),
    ("When was Harlow Bridge opened?", "And who built it?", "Who built Harlow Bridge?"),
    ("How many books may members borrow?", "What about guests?", "How many books may guests borrow?"),
)


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
    previous = history[-1]
    prompt = _prompt(previous, question)
    pieces = generator.generate(prompt, GenerateOptions(max_new_tokens=48, stop=("\n",)), _never)
    rewritten = "".join(pieces).strip()
    return rewritten if _trusted(rewritten, question, previous) else _with_subject(previous, question)


def _prompt(previous: str, question: str) -> str:
    shown = "".join(_example(*example) + "\n\n" for example in EXAMPLES)
    return shown + _example(previous, question, "").rstrip()


def _example(previous: str, question: str, rewritten: str) -> str:
    return f"First question: {previous}\nFollow-up: {question}\nComplete follow-up: {rewritten}"


def _trusted(rewritten: str, question: str, previous: str) -> bool:
    """Only words of the two questions, and at least one brought in from the earlier one."""
    known = {word.casefold() for word in WORD.findall(f"{question} {previous}")}
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
