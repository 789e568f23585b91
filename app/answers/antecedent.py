"""Whom "she" or "him" means after "Who is the managing director of Lumenfjord?": the one asked for. Pure.

The decoder sees only the two questions, and takes the name that stands in the first one: the company.
"""

from __future__ import annotations

import re

_ASKED_FOR = re.compile(
    r"^\s*who(?:\s+is|\s+was|'s|’s)\s+(?P<whom>(?:the|our|its)\s+\S.*?)[\s?]*$", re.IGNORECASE
)
_PRONOUN = re.compile(r"\b(?:he|she|him|his|hers|her)\b", re.IGNORECASE)
_ITS_NOUN = re.compile(r"\s+(?!(?:about|after|at|before|by|for|from|in|on|since|to|until|with|and|or)\b)\w")


def with_person(question: str, previous: str) -> str | None:
    """The question with the person in the pronoun's place; None where there is no such person or pronoun."""
    asked_for = _ASKED_FOR.match(previous)
    pronouns = list(_PRONOUN.finditer(question))
    if asked_for is None or len(pronouns) != 1:
        return None
    found, whom = pronouns[0], asked_for["whom"]
    word, after = found[0].casefold(), question[found.end() :]
    possessive = word in ("his", "hers") or (word == "her" and _ITS_NOUN.match(after) is not None)
    return f"{question[: found.start()]}{whom}{'’s' if possessive else ''}{after}"
