"""Every way to read a question as a comparison of things by name. Pure.

Only plain forms, those of `languages`: a form that is missed gets an ordinary answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from app.answers.languages.forms import MOST_CHARACTERS, ComparisonForms, Language
from app.answers.languages.known import LANGUAGES


class Comparison(NamedTuple):
    """The names without articles, and the topic; that keeps an English one, with which it is quoted."""

    names: list[str]
    topic: str | None


def comparisons(question: str) -> Iterator[Comparison]:
    """Every way to read the question as a comparison: usually none.

    Runs of blanks become one: the patterns would try every place in them, with the square of their length.
    """
    question = " ".join(question.split())
    if len(question) > MOST_CHARACTERS:
        return
    for language in LANGUAGES:
        if language.comparison is None:
            continue
        for found in _found(question, language.comparison):
            names = _parts(found["names"], language.comparison.between, language)
            yield Comparison(names, language.topic(found["topic"]))


def _found(question: str, forms: ComparisonForms) -> Iterator[re.Match[str]]:
    end = rf"(?:\s+(?:{forms.about})\s+(?P<topic>.+?))?\s*[?.!]*\s*$"
    for begin in forms.begins:
        if found := re.match(rf"^\s*¿?\s*{begin}{end}", question, re.IGNORECASE):
            yield found


def _parts(names: str, joins: str, language: Language) -> list[str]:
    between = rf"\s*(?:,|\b(?:{joins})(?=\s))\s*"
    parts = (language.bare(part) for part in re.split(between, names, flags=re.IGNORECASE))
    return [part for part in parts if part]
