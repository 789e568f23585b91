"""What a language is to the recognisers of questions: tables of plain forms, as regular expressions. Pure.

All are matched whole and without regard to case, from the first word to the last before the end mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MOST_CHARACTERS = 1000  # nothing longer is a plain form
_ENDS = " \t\r\n?.!？。！"
_AROUND = _ENDS + "\"'“”„‘’«»「」"

NumberForms = Callable[[str], tuple[str, ...]]
"""A word as it is, and its plural or singular where a rule gives it."""


@dataclass(frozen=True, slots=True)
class ComparisonForms:
    """Documents compared by name: what begins it, what stands before the topic, what joins the names."""

    begins: tuple[str, ...]  # each with the group `names`
    about: str
    between: str


@dataclass(frozen=True, slots=True)
class CorpusForms:
    """Questions over everything, one field a kind."""

    summarise: tuple[str, ...]  # with the group `topic`, where there may be one
    listing: tuple[str, ...]  # with the group `words`, where documents that hold words are asked for
    compare: tuple[str, ...]
    count: tuple[str, ...]  # with the group `words`, as above
    documents: str  # counts nothing but documents
    whole: str  # a topic that is everything

    def is_whole(self, topic: str) -> bool:
        """Whether the topic of a summary is no part of the corpus, but all of it."""
        return bool(re.fullmatch(self.whole, topic.strip(_ENDS), re.IGNORECASE))


@dataclass(frozen=True, slots=True)
class Language:
    """One language in which questions are recognised."""

    articles: str
    corpus: CorpusForms
    comparison: ComparisonForms | None
    number_forms: NumberForms
    is_spaced: bool = True  # words stand apart
    keeps_articles: bool = False  # in a topic, which is quoted in an English sentence

    def bare(self, words: str) -> str:
        """Words without the articles and marks around them."""
        stripped = words.strip(_AROUND)
        kept = re.sub(rf"^(?:(?:{self.articles})(?:\s+|(?<=['’])))+", "", stripped, flags=re.IGNORECASE)
        return kept.strip(_AROUND)

    def topic(self, words: str | None) -> str | None:
        """What is spoken about, as it is searched for and quoted; None for nothing."""
        return (words or "").strip(_ENDS) or None if self.keeps_articles else self.bare(words or "") or None


def same(word: str) -> tuple[str, ...]:
    """For languages whose plurals no short rule gives."""
    return (word,)
