"""Reciprocal rank fusion by hand."""

from __future__ import annotations

import pytest

from retrieval.fusion import reciprocal_rank_fusion
from retrieval.types import ScoredId


def ranking(*chunk_ids: int) -> list[ScoredId]:
    return [ScoredId(chunk_id, -float(position)) for position, chunk_id in enumerate(chunk_ids)]


def test_scores_are_the_papers_formula() -> None:
    fused = reciprocal_rank_fusion([ranking(1, 2, 3), ranking(3, 4)], k=60)
    assert {hit.chunk_id: hit.score for hit in fused} == pytest.approx(
        {3: 1 / 63 + 1 / 61, 1: 1 / 61, 2: 1 / 62, 4: 1 / 62}
    )
    assert [hit.chunk_id for hit in fused] == [3, 1, 2, 4]


def test_one_ranking_keeps_its_order() -> None:
    assert [hit.chunk_id for hit in reciprocal_rank_fusion([ranking(7, 5, 9), []], k=1)] == [7, 5, 9]


def test_nothing_in_nothing_out() -> None:
    assert reciprocal_rank_fusion([], k=60) == []
    assert reciprocal_rank_fusion([[], []], k=60) == []
