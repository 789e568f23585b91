"""Ranking quality against relevance judgements, computed by `ir-measures` (trec_eval underneath)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
from ir_measures import R, nDCG

_MEASURES = {"ndcg@10": nDCG @ 10, "recall@10": R @ 10, "recall@50": R @ 50}
MEASURE_NAMES = tuple(_MEASURES)

Judgements = Mapping[str, Mapping[str, int]]
"""Query id to document id to grade; 0 and below is not relevant."""

Rankings = Mapping[str, Sequence[str]]
"""Query id to document ids, best first."""


def ranking_metrics(judgements: Judgements, rankings: Rankings) -> dict[str, dict[str, float]]:
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
    values = {name: dict.fromkeys(judged, 0.0) for name in _MEASURES}
    names = {measure: name for name, measure in _MEASURES.items()}
    for result in ir_measures.iter_calc(list(_MEASURES.values()), judged, run):
        values[names[result.measure]][result.query_id] = float(result.value)
    return values
