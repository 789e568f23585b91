"""Held-out questions with numbered passages: the one that answers among those that BM25 confuses with it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from model.train.answers.chunk_index import ChunkIndex
from model.train.answers.data import AnswerData, Item, Style
from model.train.answers.mix import MAX_ABSENT_CHARACTERS, TITLED_SETS, best_answer
from model.train.answers.records import SETS
from model.train.answers.rows import SOURCE

_TITLED = TITLED_SETS | {SOURCE}


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage as the prompt shows it."""

    title: str  # empty: none is shown
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """A question on passages numbered from 1."""

    question: str
    references: tuple[str, ...]
    passages: tuple[Shown, ...]
    gold: int | None  # number of the passage that answers; None: it was taken away
    source: str


def untitled(case: Case) -> Case:
    """The same passages without their titles."""
    return replace(case, passages=tuple(Shown("", shown.text) for shown in case.passages))


def alone(case: Case, gold: int) -> Case:
    """The case with one of its passages and no other."""
    return replace(case, passages=(case.passages[gold - 1],), gold=1)


def short_sets(data: AnswerData) -> list[str]:
    """The sets of `records.SETS` that the split has; any with short answers where it has none of them."""
    present = {item.source for item in data.items if item.style == "short"}
    return [name for name in SETS if name in present] or sorted(present)


def can_be_absent(item: Item) -> bool:
    """A longer answer may stand in other passages in other words, so it is never called absent."""
    return len(best_answer(item)) <= MAX_ABSENT_CHARACTERS


def draw(
    data: AnswerData,
    sets: Sequence[str],
    style: Style,
    count: int,
    seed: int,
    keep: Callable[[Item], bool] = lambda _: True,
) -> list[Item]:
    """At most `count` different items, the sets taking turns; the same for the same seed."""
    pools = []
    for name in sets:
        pool = [item for item in data.items if item.source == name and item.style == style and keep(item)]
        pools.append(random.Random(f"{seed} {name}").sample(pool, len(pool)))
    turns = zip_longest(*pools)
    return [item for turn in turns for item in turn if item is not None][:count]


class CaseMaker:
    """Cases of one split."""

    def __init__(self, data: AnswerData, index: ChunkIndex, seed: int) -> None:
        self._data = data
        self._index = index
        self._seed = seed

    def shown(self, chunk: int) -> Shown:
        """A chunk behind the title of its document, in the sets whose titles mean something."""
        found = self._data.chunks[chunk]
        return Shown(found.document if found.source in _TITLED else "", found.text)

    def among(self, item: Item, count: int, *, free_of_answers: bool = True) -> Case:
        """The item's passage at a random place of `count`; the others hold no answer unless they may."""
        others = self._hard(item, count - 1, item.answers if free_of_answers else ())
        return self._placed(item, others, self._chance(item).randint(1, len(others) + 1))

    def at_places(self, item: Item, count: int, places: Sequence[int]) -> Iterator[Case]:
        """The same `count` passages with the item's one at each place; nothing when there are fewer."""
        others = self._hard(item, count - 1, item.answers)
        if len(others) == count - 1:
            yield from (self._placed(item, others, place) for place in places)

    def without(self, item: Item, count: int) -> Case:
        """`count` passages, none of which holds an answer, in random order."""
        others = self._hard(item, count, item.answers)
        passages = tuple(map(self.shown, self._chance(item).sample(others, len(others))))
        return Case(item.question, item.answers, passages, None, item.source)

    def found(self, question: str, gold: int, count: int) -> Case:
        """Any question on a chunk, among those that BM25 confuses with it."""
        item = Item(question, (), gold, "short", self._data.chunks[gold].source)
        return self.among(item, count, free_of_answers=False)

    def _hard(self, item: Item, count: int, answers: Sequence[str]) -> list[int]:
        return self._index.hard(item.question, item.chunk, answers, count)

    def _placed(self, item: Item, others: Sequence[int], place: int) -> Case:
        chunks = [*others[: place - 1], item.chunk, *others[place - 1 :]]
        passages = tuple(self.shown(chunk) for chunk in chunks)
        return Case(item.question, item.answers, passages, place, item.source)

    def _chance(self, item: Item) -> random.Random:
        return random.Random(f"{self._seed} {item.source} {item.question}")
