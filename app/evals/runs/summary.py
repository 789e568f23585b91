"""Measures of a whole run from the scores of its questions, with 95% bootstrap intervals. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.evals.judging.scoring import agreement
from app.evals.metrics import Interval, bootstrap, mean_interval, spread, spread_by_chance
from app.evals.runs.types import StoredResult

ORDER = (
    "recall@1", "recall@5", "recall@10", "ndcg@10", "mrr@10", "exact_match", "f1", "citation_precision",
    "citation_recall", "answered_with_citation", "supported_claims", "false_answers", "false_refusals",
    "seconds", "first_token_seconds", "prompt_tokens", "answer_tokens", "failed",
    "judge_correct", "judge_grounded", "judge_unscorable", "judge_prompt_tokens", "judge_answer_tokens",
)  # fmt: skip
LOWER_IS_BETTER = frozenset(
    ("false_answers", "false_refusals", "failed", "unscorable", "seconds", "first_token_seconds",
     "prompt_tokens", "answer_tokens", "best_minus_worst", "best_minus_worst_by_chance", "lost_to_noise",
     "judge_unscorable", "judge_prompt_tokens", "judge_answer_tokens")
)  # fmt: skip


def summarise(results: Sequence[StoredResult]) -> dict[str, Interval]:
    """The mean of every score over the questions it applies to, and the share that could not be scored.

    Rows are sorted by key first: the same answers give the same intervals in whatever order they came.
    """
    rows = sorted(results, key=lambda row: (row.key, row.variant))
    names = sorted({name for row in rows for name in row.scores}, key=_place)
    measured = {
        name: mean_interval([row.scores[name] for row in rows if name in row.scores]) for name in names
    }
    lost = mean_interval([float(row.outcome == "unscorable") for row in rows])
    return {**measured, **agreement(rows), "unscorable": lost}


def summarise_sweep(
    results: Sequence[StoredResult], variants: Sequence[str], prefix: str
) -> dict[str, Interval]:
    """Mean F1 of each variant, and what the variants differ by, over the questions asked in all of them.

    `best_minus_worst` is the spread of mean F1, told beside what it would be by chance alone;
    `lost_to_noise` the first variant's minus the last one's.
    """
    scores = {(row.key, row.variant): row.scores.get("f1") for row in results}
    keys = sorted({row.key for row in results})
    whole = [key for key in keys if all(scores.get((key, variant)) is not None for variant in variants)]
    table = np.array([[scores[key, variant] for variant in variants] for key in whole], dtype=np.float64)
    measured: dict[str, Interval] = {}
    for column, variant in enumerate(variants):
        measured[f"f1_{prefix}_{variant}"] = mean_interval(table[:, column].tolist() if whole else [])
    measured["best_minus_worst"] = spread(table)
    measured["best_minus_worst_by_chance"] = spread_by_chance(table)
    measured["lost_to_noise" if prefix == "with" else "first_minus_last"] = bootstrap(
        len(whole), lambda rows: float(np.mean(table[rows][:, 0] - table[rows][:, -1]))
    )
    measured["unscorable"] = mean_interval([float(key not in whole) for key in keys])
    return measured


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
