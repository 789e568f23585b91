"""Scores of one question. Pure: a case, what came back, and passages by their key in; numbers out.

A score that does not apply is absent: an unanswerable question has no F1, an uncited answer no precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.evals.cases import Case
from app.evals.gold import Candidate, cited_golds, ranking
from app.evals.metrics import exact_match, f1
from app.evals.types import CaseAnswer
from retrieval.metrics import QUESTION_MEASURES, ranking_metrics

WRONG_ANSWERABLE = {"exact_match": 0.0, "f1": 0.0}
BEFORE_FIRST_TOKEN = ("rewrite", "search", "pack", "first_token")


def why_unscorable(case: Case) -> str | None:
    """Why nobody can judge an answer to this question; None: it can be judged."""
    if case.answerable is None:
        return "It is not said whether the documents answer it."
    if case.answerable and not case.answers and not case.relevant:
        return "It has neither an expected answer nor a gold passage."
    return None


def retrieval_scores(case: Case, found: Sequence[Candidate]) -> dict[str, float]:
    """Recall, nDCG and reciprocal rank of the gold passages, by `ir-measures`; none without gold."""
    if not case.relevant:
        return {}
    grades, named = ranking(case.relevant, found)
    values = ranking_metrics({case.key: grades}, {case.key: named}, QUESTION_MEASURES)
    return {name: by_query[case.key] for name, by_query in values.items()}


def answer_scores(case: Case, answer: CaseAnswer, cited: Sequence[Candidate]) -> dict[str, float]:
    """Right, cited, grounded, refused when it should be, and what it cost."""
    answered = answer.state == "answered"
    scores = _refusal(case, answered) | _cost(answer)
    if case.answerable and case.answers:
        text = answer.text if answered else ""
        scores |= {"exact_match": exact_match(text, case.answers), "f1": f1(text, case.answers)}
    if case.answerable and case.relevant:
        precision, recall = cited_golds(case.relevant, cited if answered else ())
        scores |= {"citation_recall": recall} | (
            {} if precision is None else {"citation_precision": precision}
        )
    if answered:
        scores["answered_with_citation"] = float(bool(cited))
        if answer.claims:
            scores["supported_claims"] = sum(held for _, held in answer.claims) / len(answer.claims)
    return scores


def failure_scores(case: Case) -> dict[str, float]:
    """An answerable question that ended in an error counts as answered wrongly, not as refused."""
    return {"failed": 1.0} | (WRONG_ANSWERABLE if case.answerable and case.answers else {})


def _refusal(case: Case, answered: bool) -> dict[str, float]:
    return {"false_refusals": float(not answered)} if case.answerable else {"false_answers": float(answered)}


def _cost(answer: CaseAnswer) -> dict[str, float]:
    timings: Mapping[str, float] = answer.timings_ms
    scores = {"failed": 0.0, "seconds": timings.get("total", 0.0) / 1000}
    if "first_token" in timings:
        scores["first_token_seconds"] = sum(timings.get(name, 0.0) for name in BEFORE_FIRST_TOKEN) / 1000
    for name, count in answer.tokens.items():
        scores[f"{name}_tokens"] = float(count)
    return scores
