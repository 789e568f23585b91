"""Ranking quality against relevance judgements, computed by `ir-measures` (trec_eval underneath)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
from ir_measures import RR, R, nDCG

_KNOWN = {
    "recall@1": R @ 1,
    "recall@5": R @ 5,
    "recall@10": R @ 10,
    "recall@50": R @ 50,
    "ndcg@10": nDCG @ 10,
    "mrr@10": RR @ 10,
}
STAGE_MEASURES = ("ndcg@10", "recall@10", "recall@50")
"""Of each stage of a search over a judged collection."""

QUESTION_MEASURES = ("recall@1", "recall@5", "recall@10", "ndcg@10", "mrr@10")
"""Of one question of an eval set."""

RANKING_DEPTH = 10  # deepest rank that the measures of a question look at

Judgements = Mapping[str, Mapping[str, int]]
"""Query id to document id to grade; 0 and below is not relevant."""

Rankings = Mapping[str, Sequence[str]]
"""Query id to document ids, best first."""


def ranking_metrics(
    judgements: Judgements, rankings: Rankings, names: Sequence[str] = STAGE_MEASURES
) -> dict[str, dict[str, float]]:
    """Measure name to query id to value, for every judged query that has a relevant document.

    A judged query without a ranking counts 0.
    """
    judged = {
        query: dict(grades) for query, grades in judgements.items() if max(grades.values(), default=0) > 0
    }
    # trec_eval orders by score and breaks ties by id: ranks as scores keep our order
    run = {
        query: {document: float(-rank) for rank, document in enumerate(rankings.get(query, ()))}
        for query in judged
    }
    values = {name: dict.fromkeys(judged, 0.0) for name in names}
    by_measure = {_KNOWN[name]: name for name in names}
    for result in ir_measures.iter_calc(list(by_measure), judged, run):
        values[by_measure[result.measure]][result.query_id] = float(result.value)
    return values
