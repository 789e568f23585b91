"""How people ask for a comparison by name, in English, German, French and Spanish. Pure.

Only plain forms, as in English: a form that is missed gets an ordinary answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Form(NamedTuple):
    """One language: what begins a comparison, what stands before the topic, what joins the names."""

    begins: tuple[str, ...]
    about: str
    between: str
    articles: str


_ENGLISH = Form(
    (
        r"(?:(?:please|can\s+you|could\s+you|would\s+you)\s+)*compare\s+(?P<names>.+?)",
        r"(?:what\s+(?:is|are)\s+the|what's\s+the)\s+differences?\s+between\s+(?P<names>.+?)",
        r"how\s+do(?:es)?\s+(?P<names>.+?)\s+(?:differ|compare)",
        r"what\s+do\s+(?P<names>.+?)\s+say",
    ),
    r"on|about|regarding|concerning|as\s+to|in\s+terms\s+of|when\s+it\s+comes\s+to|with\s+respect\s+to",
    r"and|with|to|from|against|versus|vs\.?",
    r"the|a|an",
)
_GERMAN = Form(
    (
        r"(?:bitte\s+)?vergleiche?(?:\s+bitte)?\s+(?P<names>.+?)",
        r"(?:was\s+ist|was\s+sind|worin\s+(?:besteht|liegt|bestehen|liegen))\s+(?:der|die)\s+unterschiede?"
        r"\s+zwischen\s+(?P<names>.+?)",
        r"(?:wie|worin)\s+unterscheide[nt]\s+sich\s+(?P<names>.+?)",
        r"was\s+sagen\s+(?P<names>.+?)",
    ),
    r"zum\s+thema|in\s+bezug\s+auf|hinsichtlich|bezüglich|bei|zur|zum|zu|über",
    r"und|mit|von|gegenüber",
    r"der|die|das|den|dem|des|ein|eine|einen|einem|einer",
)
_FRENCH = Form(
    (
        r"(?:peux-tu\s+|pouvez-vous\s+)?compare[rz]?\s+(?P<names>.+?)",
        r"(?:quelle\s+est\s+la|quelles\s+sont\s+les)\s+différences?\s+entre\s+(?P<names>.+?)",
        r"que\s+disent\s+(?P<names>.+?)",
    ),
    r"à\s+propos\s+(?:de|du|des)|en\s+ce\s+qui\s+concerne|concernant|au\s+sujet\s+(?:de|du|des)|sur",
    r"et|avec|à|au",
    r"le|la|les|l'|l’|un|une",
)
_SPANISH = Form(
    (
        r"(?:por\s+favor\s+)?compar[ae]r?\s+(?P<names>.+?)",
        r"¿?\s*(?:cuál\s+es\s+la|cuáles\s+son\s+las)\s+diferencias?\s+entre\s+(?P<names>.+?)",
        r"¿?\s*qué\s+dicen\s+(?P<names>.+?)",
    ),
    r"en\s+cuanto\s+a|con\s+respecto\s+a|acerca\s+de|sobre",
    r"y|e|con",
    r"el|la|los|las|un|una",
)
_FORMS = (_ENGLISH, _GERMAN, _FRENCH, _SPANISH)


class Comparison(NamedTuple):
    """The names without articles, and the topic; that keeps an English one, with which it is quoted."""

    names: list[str]
    topic: str | None


def comparisons(question: str) -> Iterator[Comparison]:
    """Every way to read the question as a comparison: usually none."""
    for form in _FORMS:
        for begin in form.begins:
            end = rf"(?:\s+(?:{form.about})\s+(?P<topic>.+?))?\s*[?.!]*\s*$"
            if found := re.match(rf"^\s*{begin}{end}", question, re.IGNORECASE):
                topic = found["topic"]
                yield Comparison(
                    _parts(found["names"], form), topic if form is _ENGLISH else _bare(topic, form)
                )


def _parts(names: str, form: Form) -> list[str]:
    between = rf"\s*(?:,|\b(?:{form.between})(?=\s))\s*"
    bare = (_bare(part, form) for part in re.split(between, names, flags=re.IGNORECASE))
    return [part for part in bare if part]


def _bare(words: str | None, form: Form) -> str | None:
    """Without the article that stands before it; None for nothing."""
    if words is None:
        return None
    kept = re.sub(rf"^(?:(?:{form.articles})(?:\s+|(?<=['’])))+", "", words.strip(), flags=re.IGNORECASE)
    return kept.strip() or None
