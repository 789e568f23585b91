"""What the tasks of the command share: the split, who answers, how many questions, and the table's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.train.answers.chunk_index import ChunkIndex
from model.train.answers.data import AnswerData, Item, Style
from model.train.answers.measures.cases import Case, CaseMaker, draw, short_sets
from model.train.answers.measures.metrics import (
    Interval,
    exact_match,
    f1,
    mean_interval,
    share,
)
from model.train.answers.measures.reader import Answer, Reader


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    task: str
    of: str  # which questions, asked how
    measure: str
    interval: Interval


@dataclass(frozen=True)
class Bench:
    """One split under one answerer."""

    data: AnswerData
    index: ChunkIndex
    reader: Reader
    questions: int  # a task, at most
    passages: int  # in a prompt, where the task does not say otherwise
    seed: int

    @property
    def cases(self) -> CaseMaker:
        """Makes the prompts' contexts."""
        return CaseMaker(self.data, self.index, self.seed)

    def short(self, keep: Callable[[Item], bool] = lambda _: True) -> list[Item]:
        """Questions with short answers, evenly from the sets."""
        return self.draw(short_sets(self.data), "short", keep)

    def draw(
        self, sets: Sequence[str], style: Style, keep: Callable[[Item], bool] = lambda _: True
    ) -> list[Item]:
        """As many questions of a style as the task may ask."""
        return draw(self.data, sets, style, self.questions, self.seed, keep)


def f1_scores(cases: Sequence[Case], answers: Sequence[Answer]) -> list[float]:
    """F1 of each answer, 0..1; a refusal has 0."""
    return [f1(answer.text, case.references) for case, answer in zip(cases, answers, strict=True)]


def answer_measures(cases: Sequence[Case], answers: Sequence[Answer]) -> dict[str, Interval]:
    """Right, word for word right, cited, refused; all cases have a passage that answers.

    Citation precision is over answers with a citation, citation recall over all, refused ones included.
    """
    exact = [exact_match(answer.text, case.references) for case, answer in zip(cases, answers, strict=True)]
    return {
        "F1": mean_interval(f1_scores(cases, answers)),
        "exact match": mean_interval(exact),
        **citation_measures(cases, answers),
        "refused": share([answer.refused for answer in answers]),
    }


def citation_measures(cases: Sequence[Case], answers: Sequence[Answer]) -> dict[str, Interval]:
    """Precision of the answers that cite, and recall of all."""
    pairs = list(zip(cases, answers, strict=True))
    precisions = [
        float(case.gold in answer.cited) / len(answer.cited) for case, answer in pairs if answer.cited
    ]
    return {
        "citation precision": mean_interval(precisions),
        "citation recall": share([case.gold in answer.cited for case, answer in pairs]),
    }


def rows_of(task: str, of: str, measures: dict[str, Interval]) -> list[Row]:
    """Rows of one group of questions."""
    return [Row(task, of, measure, interval) for measure, interval in measures.items()]


def by_source(cases: Sequence[Case], answers: Sequence[Answer]) -> dict[str, tuple[list[Case], list[Answer]]]:
    """Cases and answers of every set, and of `all` of them where there are several."""
    groups: dict[str, tuple[list[Case], list[Answer]]] = {}
    for source in dict.fromkeys(case.source for case in cases):
        chosen = [pair for pair in zip(cases, answers, strict=True) if pair[0].source == source]
        groups[source] = [case for case, _ in chosen], [answer for _, answer in chosen]
    return groups if len(groups) == 1 else groups | {"all": (list(cases), list(answers))}
