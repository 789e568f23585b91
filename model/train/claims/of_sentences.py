"""A sentence of a passage as a claim: as it stands, shortened, edited, or against another passage."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from model.train.claims import edits
from model.train.claims.data import CONTRADICTED, NOT_SUPPORTED, SUPPORTED, WINDOW_WORDS, Example, window
from model.train.claims.material import Material

_SENTENCE_KINDS = {
    "as_is": 0.12,
    "shortened": 0.16,
    "two_true": 0.08,
    "number": 0.12,
    "name": 0.10,
    "negated": 0.08,
    "opposite": 0.08,
    "elsewhere": 0.10,
    "taken_out": 0.06,
    "half_true": 0.10,
}
_SENTENCE_WORDS = (6, 45)


class SentenceClaims:
    """A sentence of a passage as a claim: as it stands, shortened, edited, or against another passage."""

    def __init__(self, material: Material) -> None:
        self._material = material
        passages = material.corpus.passages
        self._by_source: dict[str, list[int]] = defaultdict(list)
        self._by_document: dict[tuple[str, str], list[int]] = defaultdict(list)
        for index in sorted(material.allowed):
            self._by_source[passages[index].source].append(index)
            self._by_document[passages[index].source, passages[index].document].append(index)
        self._close: dict[int, list[int]] = defaultdict(list)
        for question in material.questions:
            near = [*question.near_misses, *question.negatives]
            self._close[question.positive] += [index for index in near if index in material.allowed]

    def make(self, chance: random.Random) -> Example | None:
        """One example of a drawn kind; passages are drawn until one suits it."""
        kind = chance.choices(list(_SENTENCE_KINDS), list(_SENTENCE_KINDS.values()))[0]
        for _ in range(30):
            source = chance.choice(sorted(self._by_source))
            made = self._made(kind, chance.choice(self._by_source[source]), chance)
            if made is not None:
                return made
        return None

    def _made(self, kind: str, index: int, chance: random.Random) -> Example | None:
        parts = edits.sentences(self._material.corpus.passages[index].text)
        usable = [
            at
            for at, part in enumerate(parts)
            if _SENTENCE_WORDS[0] <= len(part.split()) <= _SENTENCE_WORDS[1]
        ]
        if not usable:
            return None
        at = chance.choice(usable)
        if kind in ("elsewhere", "half_true"):
            return self._foreign(kind, index, parts, at, chance)
        first, last = window(parts, (at,), chance.choice(WINDOW_WORDS), chance)
        if kind == "taken_out":
            rest = [part for place, part in enumerate(parts[first:last], first) if place != at]
            return _example(edits.Edit(parts[at]), rest, NOT_SUPPORTED) if rest else None
        if kind == "two_true":
            others = [place for place in usable if place != at and first <= place < last]
            if not others:
                return None
            return _example(
                edits.joined(parts[at], parts[chance.choice(others)]), parts[first:last], SUPPORTED
            )
        if kind in ("as_is", "shortened"):
            claim = parts[at] if kind == "as_is" else edits.shorten(parts[at], chance)
            return _example(edits.Edit(claim), parts[first:last], SUPPORTED)
        edit = _falsified(kind, parts[at], " ".join(parts[first:last]), chance)
        return None if edit is None else _example(edit, parts[first:last], CONTRADICTED)

    def _foreign(
        self, kind: str, index: int, parts: Sequence[str], at: int, chance: random.Random
    ) -> Example | None:
        """Against a neighbour passage; or against its own, with a sentence of the neighbour added."""
        there = self._neighbour(index, chance)
        theirs = [] if there is None else edits.sentences(self._material.corpus.passages[there].text)
        foreign = [part for part in theirs if _SENTENCE_WORDS[0] <= len(part.split()) <= 25]
        if not foreign or parts[at] in theirs:
            return None
        if kind == "elsewhere":
            first, last = window(theirs, (), chance.choice(WINDOW_WORDS), chance)
            return _example(edits.Edit(parts[at]), theirs[first:last], NOT_SUPPORTED)
        other = chance.choice(foreign)
        if other in parts or len(parts[at].split()) > 25:
            return None
        pair = (parts[at], other) if chance.random() < 0.6 else (other, parts[at])
        edit = edits.joined(*pair)
        if pair[0] is other:
            edit = edits.Edit(edit.text, ((0, len(other)),))
        first, last = window(parts, (at,), chance.choice(WINDOW_WORDS), chance)
        return _example(edit, parts[first:last], NOT_SUPPORTED)

    def _neighbour(self, index: int, chance: random.Random) -> int | None:
        """Another passage of the same document, or one that search confuses with it."""
        passage = self._material.corpus.passages[index]
        same = [other for other in self._by_document[passage.source, passage.document] if other != index]
        near = same if same and (chance.random() < 0.6 or not self._close[index]) else self._close[index]
        return chance.choice(near) if near else None


def _falsified(kind: str, sentence: str, passage: str, chance: random.Random) -> edits.Edit | None:
    if kind == "number":
        return edits.swap_number(sentence, [passage[a:b] for a, b in edits.numbers(passage)], chance)
    if kind == "name":
        return edits.swap_name(sentence, [passage[a:b] for a, b in edits.names(passage)], chance)
    return (edits.negate if kind == "negated" else edits.oppose)(sentence, chance)


def _example(edit: edits.Edit, parts: Sequence[str], label: int) -> Example:
    known = label == SUPPORTED or bool(edit.changed)
    lacks = () if label == SUPPORTED else edit.changed
    return Example(edit.text, " ".join(parts), label, "sentences", lacks if known else None)
