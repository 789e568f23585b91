"""Which questions are about a whole corpus rather than about what some passage says. Pure and conservative.

A question that is missed gets an ordinary answer; one that is taken for another wastes a person's time. So
only plain forms count, those of `languages`: a request to summarise, list all, compare, or count what
documents are made of.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from app.answers.languages.forms import MOST_CHARACTERS, Language
from app.answers.languages.known import LANGUAGES

Kind = Literal["summarise", "list", "compare", "count"]


class Words(NamedTuple):
    """Words that documents shall hold, without article, and the pattern that finds them in a text."""

    plain: str
    forms: tuple[str, ...]  # in both numbers, where the language has a rule for it
    pattern: re.Pattern[str]


class _Form(NamedTuple):
    language: Language
    kind: Kind
    pattern: re.Pattern[str]
    counts_documents: bool = False


def corpus_kind(question: str) -> Kind | None:
    """What the question wants of the whole corpus; None for an ordinary question."""
    return next((form.kind for form, _ in _readings(question)), None)


def counts_documents(question: str) -> bool:
    """Whether nothing but the number of documents is asked for."""
    return any(form.counts_documents for form, _ in _readings(question))


def mentioned(question: str) -> Words | None:
    """The words whose documents are counted or listed; None when the question is of another form."""
    for form, found in _readings(question):
        if plain := form.language.bare(found.groupdict().get("words") or ""):
            return _looked_for(plain, form.language)
    return None


def topic(question: str) -> str | None:
    """What a summary shall be about; None for a summary of everything."""
    for form, found in _readings(question):
        if form.kind == "summarise":
            language, about = form.language, found.groupdict().get("topic")
            is_whole = about and language.corpus.is_whole(about)
            return None if is_whole else language.topic(about)
    return None


def _readings(question: str) -> Iterator[tuple[_Form, re.Match[str]]]:
    """Every form that the question has, of the first language in which it has one first."""
    plain = " ".join(unicodedata.normalize("NFC", question).split()).lstrip("¿¡ ")
    if len(plain) > MOST_CHARACTERS:
        return
    for form in _forms():
        if found := form.pattern.fullmatch(plain):
            yield form, found


@cache
def _forms() -> tuple[_Form, ...]:
    """All forms of all languages, in the order in which they are tried."""
    return tuple(form for language in LANGUAGES for form in _forms_of(language))


def _forms_of(language: Language) -> Iterator[_Form]:
    corpus = language.corpus
    kinds: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("compare", corpus.compare),
        ("summarise", corpus.summarise),
        ("list", corpus.listing),
        ("count", corpus.count),
    )
    yield _Form(language, "count", _compiled(corpus.documents), counts_documents=True)
    for kind, patterns in kinds:
        for pattern in patterns:
            yield _Form(language, kind, _compiled(pattern))


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{pattern})\s*[?.!？。！]*", re.IGNORECASE | re.DOTALL)


def _looked_for(plain: str, language: Language) -> Words:
    """One word behind another, the last in each form; never inside another word where words stand apart."""
    *first, last = plain.split()
    forms = language.number_forms(last)
    spelled = r"\s+".join([*map(re.escape, first), f"(?:{'|'.join(map(re.escape, forms))})"])
    edged = rf"(?<!\w){spelled}(?!\w)" if language.is_spaced else spelled
    return Words(plain, tuple(" ".join([*first, form]) for form in forms), re.compile(edged, re.IGNORECASE))
