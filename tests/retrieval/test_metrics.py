"""Ranking measures by hand."""

from __future__ import annotations

import math

import pytest

from retrieval.metrics import STAGE_MEASURES, ranking_metrics


def test_values_are_those_worked_out_by_hand() -> None:
    judgements = {"q": {"a": 2, "b": 1, "c": 0}}
    values = ranking_metrics(judgements, {"q": ["x", "a", "b"]})
    gain = 2 / math.log2(3) + 1 / math.log2(4)  # trec_eval's linear gain
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert values["ndcg@10"]["q"] == pytest.approx(gain / ideal)
    assert values["recall@10"]["q"] == values["recall@50"]["q"] == 1.0


def test_recall_stops_at_its_depth() -> None:
    relevant = {f"d{n}": 1 for n in range(100)}
    values = ranking_metrics({"q": relevant}, {"q": [f"d{n}" for n in range(100)]})
    assert values["recall@10"]["q"] == pytest.approx(0.1)
    assert values["recall@50"]["q"] == pytest.approx(0.5)


def test_the_order_given_counts_not_the_order_of_ids() -> None:
    """trec_eval breaks ties by id; a ranking has no ties."""
    for ranking, expected in ((["z", "a"], 1 / math.log2(3)), (["a", "z"], 1.0)):
        assert ranking_metrics({"q": {"a": 1}}, {"q": ranking})["ndcg@10"]["q"] == pytest.approx(expected)


def test_a_missing_ranking_counts_zero_and_a_query_without_relevant_documents_does_not_count() -> None:
    values = ranking_metrics({"asked": {"a": 1}, "idle": {"a": 0}}, {"other": ["a"]})
    assert values == {name: {"asked": 0.0} for name in STAGE_MEASURES}
    assert ranking_metrics({}, {}) == {name: {} for name in STAGE_MEASURES}
