"""Is one run better than another? Tests of paired scores. Pure.

Means: a permutation test that swaps the two scores of a question at random (Fisher), and a bootstrap interval
of the difference. Rates: McNemar's exact test on the questions in which the two runs differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from app.evals.metrics import SEED, Interval, mean_interval

PERMUTATIONS = 10_000
BATCH = 500  # of them in memory at once
SIGNIFICANT = 0.05

Scores = NDArray[np.float64]
Test = Literal["permutation", "mcnemar"]


class Difference(TypedDict):
    """Candidate minus baseline over the questions that both scored."""

    baseline: float
    candidate: float
    delta: Interval
    p: float
    test: Test
    significant: bool


def difference(baseline: Sequence[float], candidate: Sequence[float]) -> Difference | None:
    """The paired difference of equally long rows of scores; None for no rows."""
    if not baseline:
        return None
    first, second = np.asarray(baseline, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    rates = bool(np.isin(first, (0, 1)).all() and np.isin(second, (0, 1)).all())
    p = mcnemar(first, second) if rates else permutation(second - first)
    return {
        "baseline": float(first.mean()),
        "candidate": float(second.mean()),
        "delta": mean_interval((second - first).tolist()),
        "p": p,
        "test": "mcnemar" if rates else "permutation",
        "significant": p < SIGNIFICANT,
    }


def mcnemar(first: Scores, second: Scores) -> float:
    """Two-sided exact p: of the questions that differ, each way is equally likely (McNemar, 1947)."""
    gained, lost = int(((first == 0) & (second == 1)).sum()), int(((first == 1) & (second == 0)).sum())
    differing = gained + lost
    ways, tail = 1, 0  # binomial coefficients, one from the other
    for count in range(min(gained, lost) + 1):
        tail += ways
        ways = ways * (differing - count) // (count + 1)
    return float(min(1.0, 2 * tail / 2**differing))


def permutation(deltas: Scores) -> float:
    """Two-sided p of the mean difference under random signs, with a fixed seed; never 0."""
    observed = abs(float(deltas.mean()))
    random = np.random.default_rng(SEED)
    extreme = 0
    for _ in range(PERMUTATIONS // BATCH):
        signs = random.integers(0, 2, size=(BATCH, len(deltas)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ deltas) / len(deltas) >= observed - 1e-12).sum())
    return (1 + extreme) / (1 + PERMUTATIONS)
