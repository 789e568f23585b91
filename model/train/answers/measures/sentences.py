"""Answers in sentences, and decisions: yes, no or maybe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from model.train.answers.measures.bench import (
    Bench,
    Row,
    by_source,
    citation_measures,
    f1_scores,
    rows_of,
)
from model.train.answers.measures.metrics import (
    difference,
    mean_interval,
    normalize_answer,
    share,
)

DECISION_SET = "qa_pubmedqa_pqal"
DECISIONS = ("yes", "no", "maybe")


def measure_full(bench: Bench) -> list[Row]:
    """Full-sentence answers: words shared with the reference, and citations."""
    sets = sorted({item.source for item in bench.data.items if item.style == "full"})
    cases = [bench.cases.among(item, bench.passages) for item in bench.draw(sets, "full")]
    answers = bench.reader.answers(cases, full=True)
    rows: list[Row] = []
    for source, group in by_source(cases, answers).items():
        measures = {"F1": mean_interval(f1_scores(*group)), **citation_measures(*group)}
        measures["refused"] = share([answer.refused for answer in group[1]])
        rows += rows_of("full", source, measures)
    return rows


def measure_yes_no(bench: Bench) -> list[Row]:
    """Decisions of PubMedQA's authors, against always giving the one that is most common here.

    Every passage "holds" a word like no, so hard passages are not searched for it.
    """
    items = bench.draw([DECISION_SET], "short")
    cases = [bench.cases.among(item, bench.passages, free_of_answers=False) for item in items]
    answers = bench.reader.answers(cases)
    wanted = [normalize_answer(item.answers[0]) for item in items]
    right = [decision(answer.text) == label for answer, label in zip(answers, wanted, strict=True)]
    usual = [label == majority(wanted) for label in wanted]
    measures = {
        "accuracy": share(right),
        "accuracy of the majority class": share(usual),
        "accuracy minus majority": difference([float(hit) for hit in right], [float(hit) for hit in usual]),
        "gives a decision": share([decision(answer.text) is not None for answer in answers]),
        "refused": share([answer.refused for answer in answers]),
    }
    return rows_of("yes_no", DECISION_SET, measures)


def decision(text: str) -> str | None:
    """The decision that an answer begins with, if it does."""
    first = normalize_answer(text).split()[:1]
    return first[0] if first and first[0] in DECISIONS else None


def majority(labels: Sequence[str]) -> str | None:
    """The most common label; None of no label."""
    return Counter(labels).most_common(1)[0][0] if labels else None
