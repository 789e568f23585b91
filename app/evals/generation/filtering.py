"""Which generated questions are dropped unread, and why. Pure.

What only makes sense beside its passage, says too little to be searched for, or repeats another question
costs a reader's time and teaches an eval nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from app.answers.words import WORD, content_words
from app.evals.metrics import normalize_answer

Drop = Literal[
    "no_question", "too_short", "names_the_text", "not_answered", "not_in_passage", "not_found", "duplicate"
]
REASONS: dict[Drop, str] = {
    "no_question": "The decoder wrote no question.",
    "too_short": "The question is too short to be searched for.",
    "names_the_text": "The question speaks of its passage, which nobody who asks has before them.",
    "not_answered": "The passage does not answer what was asked about it.",
    "not_in_passage": "The answer does not stand in the passage.",
    "not_found": "Search and answerer together do not answer it back from this passage.",
    "duplicate": "The set has this question already, or nearly so.",
}
FEWEST_WORDS = 4
FEWEST_CONTENT_WORDS = 2
NEAR = 0.75  # share of content words in common from which on two questions are one
_TEXT = r"(?:passage|text|paragraph|excerpt|snippet|sentence|quote|source|above|following|question|answer)s?"
_NAMES_THE_TEXT = re.compile(
    rf"\b(?:the|this|that|these)\s+(?:given\s+|above\s+)?{_TEXT}\b|\bthis\s+(?:document|section|article)\b",
    re.IGNORECASE,
)


def flaw(question: str) -> Drop | None:
    """What is wrong with the words of a question alone."""
    if not question.endswith("?"):
        return "no_question"
    if _NAMES_THE_TEXT.search(question):
        return "names_the_text"
    few = len(WORD.findall(question)) < FEWEST_WORDS
    return "too_short" if few or len(set(content_words(question))) < FEWEST_CONTENT_WORDS else None


def repeats(question: str, others: Iterable[str]) -> bool:
    """Whether another question says the same in nearly the same words; numbers must agree."""
    words = set(content_words(question))
    return any(_near(words, set(content_words(other))) for other in others)


def _near(left: set[str], right: set[str]) -> bool:
    numbers = {word for word in left ^ right if word[0].isdigit()}
    return bool(left) and not numbers and len(left & right) / len(left | right) >= NEAR


def same_answer(left: str, right: str) -> bool:
    """Whether one answer holds the other, case, articles and punctuation aside."""
    a, b = normalize_answer(left), normalize_answer(right)
    return bool(a and b) and (a in b or b in a)
