"""Measures of answers and claims, with 95% bootstrap intervals. Pure: numbers and text in, numbers out."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 0
CALIBRATION_BINS = 10

_MARKERS = re.compile(r"\s*\[\d+(?:\s*[,;]\s*\d+)*\]")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")

Rows = NDArray[np.intp]


class Interval(TypedDict):
    """A measure with the bounds of its 95% bootstrap interval; all None when it rests on nothing."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def bootstrap(n: int, statistic: Callable[[Rows], float]) -> Interval:
    """The statistic of all n rows, and the 2.5 and 97.5 percentiles over rows drawn with replacement.

    Efron's percentile interval with a fixed seed. NaN means undefined: such draws are left out.
    """
    value = statistic(np.arange(n)) if n else math.nan
    if math.isnan(value):
        return {"value": None, "low": None, "high": None, "n": n}
    random = np.random.default_rng(SEED)
    draws = np.array([statistic(random.integers(0, n, n)) for _ in range(RESAMPLES)])
    low, high = np.percentile(draws[~np.isnan(draws)], [2.5, 97.5])
    return {"value": value, "low": float(low), "high": float(high), "n": n}


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean of independent values."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap(len(array), lambda rows: float(array[rows].mean()))


def spread(scores: NDArray[np.float64]) -> Interval:
    """The best column's mean minus the worst one's; scores [n questions, columns]. Never negative.

    So it is above 0 where columns differ by chance alone: `spread_by_chance` says by how much.
    """
    return bootstrap(len(scores), lambda rows: float(np.ptp(scores[rows].mean(axis=0))))


def spread_by_chance(scores: NDArray[np.float64]) -> Interval:
    """What `spread` is where columns make no difference: the mean over shuffles within each question.

    Its bounds are the 2.5 and 97.5 percentiles (permutation, Fisher): a spread above them is no chance.
    """
    if not len(scores):
        return {"value": None, "low": None, "high": None, "n": 0}
    random = np.random.default_rng(SEED)
    draws = [float(np.ptp(random.permuted(scores, axis=1).mean(axis=0))) for _ in range(RESAMPLES)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"value": float(np.mean(draws)), "low": float(low), "high": float(high), "n": len(scores)}


def normalize_answer(text: str) -> str:
    """Text without citation markers, then SQuAD's rules: no case, punctuation, articles or extra spaces.

    Rajpurkar et al., 2016; punctuation is Unicode's, not only ASCII's.
    """
    text = _MARKERS.sub("", text).lower()
    text = "".join(c for c in text if c not in string.punctuation and unicodedata.category(c)[0] != "P")
    return " ".join(_ARTICLES.sub(" ", text).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 when the normalised answer equals a normalised reference."""
    return float(normalize_answer(answer) in {normalize_answer(reference) for reference in references})


def f1(answer: str, references: Sequence[str]) -> float:
    """Overlap of normalised words with the best reference, harmonic mean of precision and recall."""
    return max((_f1(normalize_answer(answer), normalize_answer(text)) for text in references), default=0.0)


def _f1(answer: str, reference: str) -> float:
    if not answer or not reference:
        return float(answer == reference)
    given, wanted = Counter(answer.split()), Counter(reference.split())
    return 2 * (given & wanted).total() / (given.total() + wanted.total())


def citation_precision(cited: Collection[str], gold: Collection[str]) -> float:
    """Share of the cited passages that answer the question; `cited` is not empty."""
    return len(set(cited) & set(gold)) / len(set(cited))


def citation_recall(cited: Collection[str], gold: Collection[str]) -> float:
    """Share of the passages that answer the question which are cited; `gold` is not empty."""
    return len(set(cited) & set(gold)) / len(set(gold))


def balanced_accuracy(predicted: Sequence[bool], actual: Sequence[bool]) -> Interval:
    """Mean of the recalls of both classes; undefined where one never occurs."""
    right, positive = np.asarray(predicted) == np.asarray(actual), np.asarray(actual, dtype=bool)

    def statistic(rows: Rows) -> float:
        hits, labels = right[rows], positive[rows]
        if labels.all() or not labels.any():
            return math.nan
        return float((hits[labels].mean() + hits[~labels].mean()) / 2)

    return bootstrap(len(right), statistic)


def calibration_error(probabilities: Sequence[float], actual: Sequence[bool]) -> Interval:
    """Expected calibration error over ten bins of equal width (Guo et al., 2017).

    The mean distance between predicted probability and observed share, weighted by the rows of each bin.
    """
    confidence, outcome = np.asarray(probabilities, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)

    def statistic(rows: Rows) -> float:
        # |sum of (confidence - outcome)| of a bin is its distance times its rows
        distances = np.bincount(bins[rows], weights=(confidence - outcome)[rows], minlength=CALIBRATION_BINS)
        return float(np.abs(distances).sum() / len(rows))

    return bootstrap(len(confidence), statistic)
