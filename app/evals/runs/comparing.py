"""Two runs side by side: each measure with a test of significance, each question with its change. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from app.evals.runs.paired import difference
from app.evals.runs.summary import LOWER_IS_BETTER, ORDER
from app.evals.runs.types import StoredResult
from app.evals.schemas import CaseDifference, DifferenceOut, ResultOut

Change = Literal["better", "worse", "different", "same"]
CHANGES: tuple[Change, ...] = ("worse", "better", "different", "same")
DECIDING = ("f1", "false_answers", "false_refusals", "exact_match", "citation_recall", "ndcg@10")
"""The first of these in which a question differs says whether it got better."""

Pair = tuple[StoredResult, StoredResult]


def pairs(baseline: Sequence[StoredResult], candidate: Sequence[StoredResult]) -> list[Pair]:
    """Results of the same question and variant that neither run left unscored, by key.

    The key alone does not say which question it is: one may have been edited between the runs, and lines of a
    file without ids are called by their number.
    """
    first, second = _scored(baseline), _scored(candidate)
    return [(first[place], second[place]) for place in sorted(first.keys() & second.keys())]


def count_questions(results: Iterable[StoredResult]) -> int:
    """Different questions among results, in however many variants each was asked."""
    return len({(row.key, row.question) for row in results})


def measures(paired: Sequence[Pair]) -> dict[str, DifferenceOut]:
    """Every score that stands on both sides, over the questions where it does.

    Variants of one question are no independent questions, which the tests assume: their mean counts as one.
    """
    names = {name for before, after in paired for name in before.scores.keys() & after.scores.keys()}
    found: dict[str, DifferenceOut] = {}
    for name in sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        both = _by_question(paired, name)
        said = difference([before for before, _ in both], [after for _, after in both])
        if said is not None:
            better = _better(name, said["delta"]["value"], said["significant"])
            found[name] = DifferenceOut.model_validate({**said, "better": better})
    return found


def case_differences(paired: Sequence[Pair]) -> list[CaseDifference]:
    """Every question, those that changed first."""
    rows = [
        CaseDifference(
            key=before.key,
            variant=before.variant,
            question=before.question,
            change=change(before, after),
            baseline=ResultOut.model_validate(before),
            candidate=ResultOut.model_validate(after),
        )
        for before, after in paired
    ]
    return sorted(rows, key=lambda row: (CHANGES.index(row.change), row.key, row.variant))


def change(before: StoredResult, after: StoredResult) -> Change:
    """By the first deciding score that differs; `different` words of the same worth are neither."""
    for name in DECIDING:
        first, second = before.scores.get(name), after.scores.get(name)
        if first is not None and second is not None and first != second:
            return "better" if (second < first) == (name in LOWER_IS_BETTER) else "worse"
    same = all(before.detail.get(name) == after.detail.get(name) for name in ("state", "answer", "cited"))
    return "same" if same else "different"


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Fields of two configurations that differ, nested ones by their path."""
    found: dict[str, list[Any]] = {}
    for name in sorted(before.keys() | after.keys()):
        first, second = before.get(name), after.get(name)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            found |= {f"{name}.{inner}": both for inner, both in changed(first, second).items()}
        elif first != second:
            found[name] = [first, second]
    return found


def _scored(results: Sequence[StoredResult]) -> dict[tuple[str, str, str], StoredResult]:
    return {(row.key, row.variant, row.question): row for row in results if row.outcome != "unscorable"}


def _by_question(paired: Sequence[Pair], name: str) -> list[tuple[float, float]]:
    """A score of each question before and after, each a mean over the variants that have it on both sides."""
    by_key: dict[str, list[Pair]] = defaultdict(list)
    for before, after in paired:
        if name in before.scores and name in after.scores:
            by_key[before.key].append((before, after))
    return [
        (fmean(before.scores[name] for before, _ in rows), fmean(after.scores[name] for _, after in rows))
        for rows in by_key.values()
    ]


def _better(name: str, delta: float | None, significant: bool) -> bool | None:
    if not significant or not delta:
        return None
    return (delta < 0) == (name in LOWER_IS_BETTER)
