"""Which questions are about a whole corpus rather than about what some passage says. Pure and conservative.

A question that is missed gets an ordinary answer; one that is taken for another wastes a person's time. So
only plain forms count: a request to summarise, list all, compare, or count what documents are made of.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["summarise", "list", "compare", "count"]

_THINGS = (
    r"(?:documents?|files?|collections?|papers?|reports?|articles?|contracts?|letters?|sources|uploads?)"
)
_WHOSE = r"(?:the|my|our|these|those)"
_ALL = rf"(?:(?:all|every|each|both)\s+(?:of\s+)?(?:{_WHOSE}\s+)?|{_WHOSE}\s+){_THINGS}"
_ASKING = r"^\s*(?:(?:please|can\s+you|could\s+you|would\s+you)\s+)*"
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("compare", rf"{_ASKING}compare\b"),
    ("compare", rf"\b(?:compare|comparison|differences?|differ)\b.*\b(?:between|across|among|in)\s+{_ALL}\b"),
    ("summarise", rf"{_ASKING}(?:summari[sz]e|sum\s+up)\b"),
    (
        "summarise",
        rf"{_ASKING}(?:give|write)\s+(?:me\s+)?an?\s+(?:short\s+|brief\s+)?(?:summary|overview)\s+of\b",
    ),
    ("summarise", rf"^\s*what\s+(?:are|do)\s+(?:all\s+)?(?:{_ALL}|they\s+all)\s+(?:about|say|cover)\b"),
    ("list", rf"{_ASKING}(?:list|enumerate|name)\s+(?:all|every|each)\b"),
    ("list", rf"{_ASKING}list\s+the\b"),
    (
        "list",
        rf"^\s*(?:which|what)\s+(?:of\s+(?:the|my|our|these)\s+)?{_THINGS}\s+(?:mention|contain|discuss|cover)",
    ),
    (
        "count",
        rf"^\s*(?:in\s+)?how\s+many\s+(?:of\s+(?:the|my|our|these)\s+)?{_THINGS}\s+"
        r"(?:are\s+(?:there|here)|do\s+(?:i|we)|have\s+(?:i|we)|(?:do\s+|does\s+)?(?:mention|contain|name))",
    ),
    ("count", rf"^\s*how\s+many\b.*\b(?:in\s+total|altogether|across|in\s+all)\b.*\b{_THINGS}\b"),
)
_COMPILED = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)
_MENTIONS = re.compile(
    rf"^\s*(?:in\s+)?(?:how\s+many|which|what)\s+(?:of\s+(?:the|my|our|these)\s+)?{_THINGS}\s+"
    r"(?:do\s+|does\s+)?(?:mention|contain|name)s?\s+(?:the\s+(?:words?|terms?)\s+)?(?P<words>.+?)\s*\??\s*$",
    re.IGNORECASE,
)
_COUNTS = re.compile(
    rf"^\s*how\s+many\s+(?:of\s+)?(?:{_WHOSE}\s+)?{_THINGS}\s+(?:are\s+there|do\s+(?:i|we)\s+have|have\s+(?:i|we))"
    r"(?:\s+(?:in\s+total|altogether|here|uploaded))*\s*\??\s*$",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"\b(?:about|on|regarding|concerning|of)\s+(?P<topic>.+?)\s*[?.]?\s*$", re.IGNORECASE)
_WHOLE = re.compile(rf"^(?:{_ALL}|everything|all|it|them|this)$", re.IGNORECASE)


def corpus_kind(question: str) -> Kind | None:
    """What the question wants of the whole corpus; None for an ordinary question."""
    return next((kind for kind, pattern in _COMPILED if pattern.search(question)), None)


def counts_documents(question: str) -> bool:
    """Whether nothing but the number of documents is asked for."""
    return bool(_COUNTS.match(question))


def mentioned(question: str) -> str | None:
    """The words whose documents are counted or listed; None when the question is of another form."""
    found = _MENTIONS.match(question)
    return found["words"].strip("\"'“”‘’ ") or None if found else None


def topic(question: str) -> str | None:
    """What a summary shall be about; None for a summary of everything."""
    found = _ABOUT.search(question)
    if found is None:
        rest = re.sub(rf"{_ASKING}(?:summari[sz]e|sum\s+up)\s*", "", question, flags=re.IGNORECASE).strip(
            " ?."
        )
        return None if not rest or _WHOLE.match(rest) else rest
    return None if _WHOLE.match(found["topic"]) else found["topic"]
