"""Which documents a comparison names, and about what it compares them. Pure and conservative.

A name is a few words that all stand in the name of one file; a comparison is only taken for one of documents
when every part of it names another file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from app.answers.words import content_words, number_forms

_ASKING = r"^\s*(?:(?:please|can\s+you|could\s+you|would\s+you)\s+)*"
_ABOUT = (
    r"(?:on|about|regarding|concerning|as\s+to|in\s+terms\s+of|when\s+it\s+comes\s+to|with\s+respect\s+to)"
)
_END = rf"(?:\s+{_ABOUT}\s+(?P<topic>.+?))?\s*[?.!]*\s*$"
_FORMS = tuple(
    re.compile(pattern + _END, re.IGNORECASE)
    for pattern in (
        rf"{_ASKING}compare\s+(?P<names>.+?)",
        r"^\s*(?:what\s+(?:is|are)\s+the|what's\s+the)\s+differences?\s+between\s+(?P<names>.+?)",
        r"^\s*how\s+do(?:es)?\s+(?P<names>.+?)\s+(?:differ|compare)",
        r"^\s*what\s+do\s+(?P<names>.+?)\s+say",
    )
)
_BETWEEN = re.compile(
    r"\s*(?:,|\band\b|\bwith\b|\bto\b|\bfrom\b|\bagainst\b|\bversus\b|\bvs\b\.?)\s*", re.IGNORECASE
)
_WORD_ENDS = re.compile(r"[_\-.\s]+")


@dataclass(frozen=True, slots=True)
class NamedComparison:
    """Two documents or more, in the order of the question."""

    document_ids: tuple[int, ...]
    topic: str | None  # None: on everything


def named_comparison(question: str, file_names: Mapping[int, str]) -> NamedComparison | None:
    """The documents, by id, that the question compares by name; None when it does not."""
    for form in _FORMS:
        if found := form.match(question):
            parts = [part for part in _BETWEEN.split(found["names"]) if part.strip()]
            ids = _resolved(parts, {id_: _words_of(name) for id_, name in file_names.items()})
            if ids is not None and len(ids) > 1:
                return NamedComparison(ids, found["topic"])
    return None


def _resolved(parts: Sequence[str], words: Mapping[int, frozenset[str]]) -> tuple[int, ...] | None:
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


def _document(name: str, words: Mapping[int, frozenset[str]]) -> int | None:
    """The one document whose file name says all of it in the fewest words."""
    asked = content_words(_WORD_ENDS.sub(" ", name))
    fitting = [
        (len(held), id_)
        for id_, held in words.items()
        if asked and all(not held.isdisjoint(number_forms(word)) for word in asked)
    ]
    shortest = [id_ for length, id_ in fitting if length == min(fitting)[0]]
    return shortest[0] if len(shortest) == 1 else None


def _words_of(file_name: str) -> frozenset[str]:
    """The words of a file name, its ending among them."""
    path = PurePath(file_name)
    return frozenset(content_words(_WORD_ENDS.sub(" ", f"{path.stem} {path.suffix}")))
