"""Questions turned by rule into ones of yes or no: about their answer, or about another of its kind."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from model.train.claims import edits
from model.train.claims.of_answers import answer_kind
from model.train.claims.statements import declarative

_ASKING = frozenset({"when", "where", "who", "what", "which"})
_MOVED = frozenset(
    {"is", "are", "was", "were", "did", "does", "do", "has", "have", "had", "can", "could", "will"}
)
_PREPOSITION = re.compile(
    r"(?:in|at|on|near|from|between|along|by|to|around|about|during|since)\b", re.IGNORECASE
)
_LONGEST_ANSWER_WORDS = 8


def as_yes_or_no(
    question: str, answers: Sequence[str], text: str, chance: random.Random
) -> tuple[str, str] | None:
    """The question and "Yes" or "No"; None where no rule fits or nothing of the kind stands in the text."""
    answer = min(answers, key=len).strip().rstrip(".")
    if not answer or len(answer.split()) > _LONGEST_ANSWER_WORDS:
        return None
    if chance.random() < 0.5:
        asked = _asked(question, answer, chance)
        return None if asked is None else (asked, "Yes")
    others = _others(question, answers, answer, text)
    asked = _asked(question, chance.choice(others), chance) if others else None
    return None if asked is None else (asked, "No")


def _asked(question: str, answer: str, chance: random.Random) -> str | None:
    words = question.strip().rstrip("?. ").split()
    if len(words) > 3 and words[0].casefold() in _ASKING and words[1].casefold() in _MOVED:
        return _moved(words[1:], words[0].casefold(), answer)
    statement = declarative(question, answer)
    if statement is None:
        return None
    said = statement.text.rstrip(".")
    lead = chance.choice(("Is it true that", "Is it correct that", "Do the documents say that"))
    return f"{lead} {said}?"


def _moved(words: list[str], asking: str, answer: str) -> str:
    """ "when was it built" as "Was it built in 1920?": the auxiliary first, the answer last."""
    if asking in ("when", "where") and not _PREPOSITION.match(answer):
        answer = f"in {answer}"
    first = words[0][:1].upper() + words[0][1:]
    return f"{' '.join([first, *words[1:], answer])}?"


def _others(question: str, answers: Sequence[str], answer: str, text: str) -> list[str]:
    """What the text holds of the answer's kind, without a word of the answer or the question."""
    kind = answer_kind(answer)
    if kind == "phrase":
        return []
    spans = edits.numbers(text) if kind == "number" else edits.names(text)
    known = {word for said in (question, *answers) for word in re.findall(r"\w+", said.casefold())}
    found = [
        other
        for other in dict.fromkeys(text[start:end] for start, end in spans)
        if not known & set(re.findall(r"\w+", other.casefold()))
    ]
    first = edits.numbers(answer)
    return [other for other in found if not first or edits.same_kind(other, answer[slice(*first[0])])]
