"""Which documents a comparison names, and about what it compares them. Pure and conservative.

A name is a few words that all stand in the name of one file, or in its title; a comparison is only taken for
one of documents when every part of it names another file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from app.answers.comparisons import comparisons
from app.answers.words import content_words, number_forms

_WORD_ENDS = re.compile(r"[_\-.\s]+")


@dataclass(frozen=True, slots=True)
class NamedComparison:
    """Two documents or more, in the order of the question."""

    document_ids: tuple[int, ...]
    topic: str | None  # None: on everything


Names = tuple[frozenset[str], ...]
"""The words of each name of a document, the one that counts first in front."""


def named_comparison(
    question: str, file_names: Mapping[int, str], titles: Callable[[], Mapping[int, str]] = dict
) -> NamedComparison | None:
    """The documents, by id, that the question compares by file name or title; None when it does not.

    `titles` is only asked where the question has the form of a comparison.
    """
    named: dict[int, Names] = {}
    for names, topic in comparisons(question):
        if not named:
            titled = titles()
            named = {
                id_: (_words_of(name), _title_words(titled.get(id_, ""))) for id_, name in file_names.items()
            }
        ids = _resolved(names, named)
        if ids is not None and len(ids) > 1:
            return NamedComparison(ids, topic)
    return None


def _resolved(parts: Sequence[str], words: Mapping[int, Names]) -> tuple[int, ...] | None:
    """A document for every part; the longest runs of parts first, for names that hold an "and" themselves."""
    if not parts:
        return ()
    for end in range(len(parts), 0, -1):
        document_id = _document(" ".join(parts[:end]), words)
        if document_id is None:
            continue
        rest = _resolved(parts[end:], {id_: held for id_, held in words.items() if id_ != document_id})
        if rest is not None:
            return (document_id, *rest)
    return None


def _document(name: str, words: Mapping[int, Names]) -> int | None:
    """The one document whose file name, or else whose title, says all of it in the fewest words."""
    asked = content_words(_WORD_ENDS.sub(" ", name))
    for kind in range(2):
        fitting = [
            (len(names[kind]), id_)
            for id_, names in words.items()
            if asked and all(not names[kind].isdisjoint(number_forms(word)) for word in asked)
        ]
        if fitting:
            shortest = [id_ for length, id_ in fitting if length == min(fitting)[0]]
            return shortest[0] if len(shortest) == 1 else None
    return None


def _words_of(file_name: str) -> frozenset[str]:
    """The words of a file name, its ending among them."""
    path = PurePath(file_name)
    return frozenset(content_words(_WORD_ENDS.sub(" ", f"{path.stem} {path.suffix}")))


def _title_words(title: str) -> frozenset[str]:
    return frozenset(content_words(_WORD_ENDS.sub(" ", title)))
