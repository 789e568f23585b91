"""Two runs side by side: each measure with a test of significance, each question with its change. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Results of the same question and variant that neither run left unscored, by key."""
    first = {(row.key, row.variant): row for row in baseline if row.outcome != "unscorable"}
    second = {(row.key, row.variant): row for row in candidate if row.outcome != "unscorable"}
    return [(first[place], second[place]) for place in sorted(first.keys() & second.keys())]


def measures(paired: Sequence[Pair]) -> dict[str, DifferenceOut]:
    """Every score that stands on both sides, over the questions where it does."""
    names = {name for before, after in paired for name in before.scores.keys() & after.scores.keys()}
    found: dict[str, DifferenceOut] = {}
    for name in sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        both = [(b.scores[name], a.scores[name]) for b, a in paired if name in b.scores and name in a.scores]
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


def _better(name: str, delta: float | None, significant: bool) -> bool | None:
    if not significant or not delta:
        return None
    return (delta < 0) == (name in LOWER_IS_BETTER)
