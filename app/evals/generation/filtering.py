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
    "no_question",
    "too_short",
    "names_the_text",
    "points_outside",
    "not_answered",
    "says_nothing_new",
    "not_in_passage",
    "not_found",
    "duplicate",
]
REASONS: dict[Drop, str] = {
    "no_question": "The decoder wrote no question.",
    "too_short": "The question is too short to be searched for.",
    "names_the_text": "The question speaks of its passage, which nobody who asks has before them.",
    "points_outside": "The question says “he” or “this study” and does not name who or which.",
    "not_answered": "The passage does not answer what was asked about it.",
    "says_nothing_new": "The answer only says words of the question again.",
    "not_in_passage": "The answer does not stand in the passage.",
    "not_found": "Search and answerer together do not come back to this passage with this answer.",
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


_AUXILIARY = r"(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|must|may)"
_WH = r"(?:(?:in|on|at|for|from|to|of|by)\s+)?(?:who|whose|whom|what|which|when|where|why|how)\b"
_ASKS = re.compile(rf"(?:{_WH}|(?:is|are|was|were|do|does|did|can|could|has|have|had)\b)", re.IGNORECASE)
# Nobody is named before the pronoun: "What did he do?", but not "How long does it take?"
_PRONOUN = re.compile(
    rf"^(?:{_WH}(?:\s+[a-z]+){{0,3}}?\s+)?{_AUXILIARY}(?:n['’]t)?\s+(?:(?:he|she|they|his|her|their|its|this|these)\b"
    r"|it\b(?!\s+(?:take|cost|mean|rain|snow|called|possible|\w+\s+(?:to|that|for))\b))"
)
# Of the passage's own document; a study by somebody or of something is named.
_THIS_STUDY = re.compile(
    r"\b(?:this|these|the|the\s+present|the\s+current)\s+"
    r"(?:study|studies|authors?|paper|review|report|figure|table|chapter|story)\b(?!\s+(?:of|on|about|by)\b)",
    re.IGNORECASE,
)


def tidy(line: str) -> str:
    """A line that begins like a question, with a capital and its mark: search questions lack both.

    A line with a mark of its own is left as it is: "When it rained, the ferry stopped."
    """
    words = line.strip()
    if words.endswith((".", "!", "?")) or not _ASKS.match(words):
        return words
    return f"{words[0].upper()}{words[1:]}?"


def flaw(question: str) -> Drop | None:
    """What is wrong with the words of a question alone."""
    if not question.endswith("?"):
        return "no_question"
    if _NAMES_THE_TEXT.search(question):
        return "names_the_text"
    if _THIS_STUDY.search(question) or _PRONOUN.search(question[:1].lower() + question[1:]):
        return "points_outside"
    few = len(WORD.findall(question)) < FEWEST_WORDS
    return "too_short" if few or len(set(content_words(question))) < FEWEST_CONTENT_WORDS else None


def repeats(question: str, others: Iterable[str]) -> bool:
    """Whether another question says the same in nearly the same words; numbers must agree."""
    words = set(content_words(question))
    return any(_near(words, set(content_words(other))) for other in others)


def _near(left: set[str], right: set[str]) -> bool:
    numbers = {word for word in left ^ right if word[0].isdigit()}
    return bool(left) and not numbers and len(left & right) / len(left | right) >= NEAR


def says_nothing_new(question: str, answer: str) -> bool:
    """Whether every content word of the answer stands in the question."""
    return set(content_words(answer)) <= set(content_words(question))


def same_answer(left: str, right: str) -> bool:
    """Whether one answer holds the other, case, articles and punctuation aside."""
    a, b = normalize_answer(left), normalize_answer(right)
    return bool(a and b) and (a in b or b in a)
