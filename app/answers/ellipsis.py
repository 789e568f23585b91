"""Questions that leave out what they share with the one before: "And on Monday?". Pure.

A small decoder copies such a question instead of completing it, so what is named takes the place of its
counterpart in the question before: the words after the same preposition, the number after the same noun, the
other day. Where there is no counterpart it is added at the end.
"""

from __future__ import annotations

import re

_LEADS = re.compile(r"^\s*(?:and|but|or|so|what about|how about|and what about)\s+", re.IGNORECASE)
_PREPOSITIONS = (
    *("about", "after", "at", "before", "between", "by", "during", "for", "from", "in", "into", "of", "on"),
    *("through", "to", "under", "until", "with", "within"),
)
_ASKS = re.compile(
    r"^(?:who|whose|whom|what|which|when|where|why|how|is|are|was|were|do|does|did|can|could|will|would|has|have"
    r"|had|may|must|should|since|if)\b",
    re.IGNORECASE,
)
_KINDS = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?",
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)",
    r"(?:19|20)\d\d",
)
_NOUN_AND_NUMBER = re.compile(r"^(?:the\s+)?([a-z]+)\s+([A-Z]?\d[\w.]*)$", re.IGNORECASE)
_BELONGING = ("of", "for")
_NAMED = re.compile(r"\b[A-Z]")
MOST_WORDS = 7


def completed(question: str, previous: str) -> str | None:
    """The question in the form of the previous one; None when it is no such fragment."""
    lead = _LEADS.match(question)
    fragment = question[lead.end() :].strip(" ?") if lead else ""
    if not fragment or _ASKS.match(fragment) or len(fragment.split()) > MOST_WORDS:
        return None
    before = previous.strip().rstrip("?")
    return (_replaced(fragment, before) or _added(fragment, before)) + "?"


def _replaced(fragment: str, before: str) -> str | None:
    """The previous question with the fragment in its counterpart's place."""
    preposition, _, rest = fragment.partition(" ")
    if preposition.casefold() in _PREPOSITIONS and rest:
        pattern = rf"^(.*\b){preposition}\s+.+$"
        found = re.match(pattern, before, re.IGNORECASE) or _belonging(preposition, rest, before)
        return f"{found[1]}{fragment}" if found else None
    numbered = _NOUN_AND_NUMBER.match(fragment)
    if numbered:
        pattern = rf"\b{re.escape(numbered[1])}\s+[A-Z]?\d[\w.]*"
        return _once(pattern, f"{numbered[1]} {numbered[2]}", before)
    for kind in _KINDS:
        if re.fullmatch(kind, fragment, re.IGNORECASE):
            return _once(rf"\b{kind}\b", fragment, before)
    return None


def _belonging(preposition: str, rest: str, before: str) -> re.Match[str] | None:
    """One named thing for another, whether the guarantee is "of" or "for" it."""
    if preposition.casefold() not in _BELONGING or not _NAMED.search(rest):
        return None
    found = re.match(rf"^(.*\b)(?:{'|'.join(_BELONGING)})\s+(.+)$", before)
    return found if found and _NAMED.search(found[2]) else None


def _once(pattern: str, text: str, before: str) -> str | None:
    replaced, count = re.subn(pattern, lambda _: text, before, count=1, flags=re.IGNORECASE)
    return replaced if count else None


def _added(fragment: str, before: str) -> str:
    preposition = fragment.split(" ", 1)[0].casefold()
    return f"{before} {fragment}" if preposition in _PREPOSITIONS else f"{before}, and {fragment}"
