"""Measures of answers with 95% bootstrap intervals. Pure: text and numbers in, numbers out.

They follow `app/evals/metrics.py`, which `model` must not import; a test compares the two.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 0

_MARKERS = re.compile(r"\s*\[\d+(?:\s*[,;]\s*\d+)*\]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Interval:
    """A measure with its 95% bounds; all None where it rests on nothing."""

    value: float | None
    low: float | None
    high: float | None
    n: int  # questions it rests on


def bootstrap(n: int, statistic: Callable[[Rows], NDArray[np.float64]]) -> Interval:
    """The statistic of n rows and the 2.5 and 97.5 percentiles over rows drawn with replacement (Efron).

    `statistic` gets row numbers [R, n] of R draws and returns their values [R].
    """
    if n == 0:
        return Interval(None, None, None, 0)
    value = statistic(np.arange(n)[None])[0]
    draws = statistic(np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n)))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(float(value), float(low), float(high), n)


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of independent values."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap(len(array), lambda rows: array[rows].mean(axis=1))


def share(hits: Sequence[bool]) -> Interval:
    """How many of all are true, 0..1."""
    return mean_interval([float(hit) for hit in hits])


def difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """The mean of first minus second, of the same questions in the same order."""
    return mean_interval([a - b for a, b in zip(first, second, strict=True)])


def spread(columns: Sequence[Sequence[float]]) -> Interval:
    """The best column's mean minus the worst one's, over the same questions; never negative."""
    scores = np.array(columns, dtype=np.float64).T
    return bootstrap(len(scores), lambda rows: np.ptp(scores[rows].mean(axis=1), axis=1))


def spread_by_chance(columns: Sequence[Sequence[float]]) -> Interval:
    """What `spread` is where columns make no difference: over shuffles within each question."""
    scores = np.array(columns, dtype=np.float64).T
    if not len(scores):
        return Interval(None, None, None, 0)
    random = np.random.default_rng(SEED)
    draws = [float(np.ptp(random.permuted(scores, axis=1).mean(axis=0))) for _ in range(RESAMPLES)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(float(np.mean(draws)), float(low), float(high), len(scores))


def normalize_answer(text: str) -> str:
    """Text without markers, case, punctuation, articles or extra spaces (Rajpurkar et al., 2016)."""
    text = _MARKERS.sub("", text).lower()
    kept = "".join(c for c in text if c not in string.punctuation and unicodedata.category(c)[0] != "P")
    return " ".join(_ARTICLES.sub(" ", kept).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1.0 when the normalised answer equals a normalised reference, otherwise 0.0."""
    return float(normalize_answer(answer) in map(normalize_answer, references))


def f1(answer: str, references: Sequence[str]) -> float:
    """Overlap of normalised words with the best reference, 0..1."""
    given = normalize_answer(answer)
    return max((_f1(given, normalize_answer(reference)) for reference in references), default=0.0)


def _f1(answer: str, reference: str) -> float:
    if not answer or not reference:
        return float(answer == reference)
    given, wanted = Counter(answer.split()), Counter(reference.split())
    return 2 * (given & wanted).total() / (given.total() + wanted.total())
