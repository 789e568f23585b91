"""Which threshold keeps false answers rare, fitted on half of the questions and measured on the other. Pure.

A question is answered when the best reranker score reaches the threshold. A false answer is an unanswerable
question that is answered; a false refusal an answerable one that is not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.evals.metrics import Interval

CURVE_POINTS = 101
LEAST_OF_A_KIND = 4  # fewest answerable, and fewest unanswerable questions
_Z = 1.959964  # of a normal distribution: 95% lie within


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """A question with the best score that search found for it."""

    key: str
    score: float  # calibrated rerank probability; 0 where nothing was found
    answerable: bool


@dataclass(frozen=True, slots=True)
class GatePoint:
    """What a threshold does to questions."""

    threshold: float
    false_answers: Interval
    false_refusals: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, how it was found, and what it does to questions that had no part in that."""

    wanted_false_answers: float
    recommended: float
    fitted: GatePoint  # on the half that chose it
    measured: GatePoint  # on the other half
    curve: tuple[GatePoint, ...]  # on the other half, by rising threshold


def calibrate(questions: Sequence[ScoredQuestion], wanted_false_answers: float) -> Calibration:
    """The lowest threshold whose false answers on one half are as rare as wanted.

    Raises ValueError with fewer than `LEAST_OF_A_KIND` answerable or unanswerable questions.
    """
    fit, other = halves(questions)
    recommended = lowest_threshold(fit, wanted_false_answers)
    return Calibration(
        wanted_false_answers,
        recommended,
        fitted=point(fit, recommended),
        measured=point(other, recommended),
        curve=curve(other),
    )


def halves(questions: Sequence[ScoredQuestion]) -> tuple[list[ScoredQuestion], list[ScoredQuestion]]:
    """Two halves with as many answerable questions each, told apart by a hash of the keys."""
    fit: list[ScoredQuestion] = []
    other: list[ScoredQuestion] = []
    for answerable in (True, False):
        of_kind = [question for question in questions if question.answerable is answerable]
        if len(of_kind) < LEAST_OF_A_KIND:
            kind = "answerable" if answerable else "unanswerable"
            raise ValueError(f"{len(of_kind)} {kind} questions, at least {LEAST_OF_A_KIND} are needed")
        shuffled = sorted(of_kind, key=lambda question: hashlib.sha256(question.key.encode()).digest())
        fit += shuffled[::2]
        other += shuffled[1::2]
    return fit, other


def lowest_threshold(questions: Sequence[ScoredQuestion], wanted_false_answers: float) -> float:
    """The lowest threshold between two scores with at most that share of false answers."""
    return next(
        threshold
        for threshold in between_scores(questions)
        if (point(questions, threshold).false_answers["value"] or 0.0) <= wanted_false_answers
    )


def between_scores(questions: Sequence[ScoredQuestion]) -> list[float]:
    """Thresholds that tell the questions apart, rising: 0 answers all of them, the last one none."""
    scores = sorted({question.score for question in questions})
    middles = [(low + high) / 2 for low, high in zip(scores, [*scores[1:], 1.0], strict=True)]
    return [0.0, *middles] if scores and scores[-1] < 1.0 else [0.0, *middles[:-1], math.nextafter(1.0, 2.0)]


def curve(questions: Sequence[ScoredQuestion]) -> tuple[GatePoint, ...]:
    """Both rates at `CURVE_POINTS` thresholds at most."""
    thresholds = [threshold for threshold in between_scores(questions) if threshold <= 1.0]
    step = max(1, math.ceil(len(thresholds) / (CURVE_POINTS - 1)))
    kept = dict.fromkeys((*thresholds[::step], thresholds[-1]))
    return tuple(point(questions, threshold) for threshold in kept)


def point(questions: Sequence[ScoredQuestion], threshold: float) -> GatePoint:
    """Both rates at a threshold, with 95% intervals."""
    answered = [question.score >= threshold for question in questions if not question.answerable]
    refused = [question.score < threshold for question in questions if question.answerable]
    return GatePoint(threshold, share(sum(answered), len(answered)), share(sum(refused), len(refused)))


def share(count: int, n: int) -> Interval:
    """A share with its 95% interval: Wilson's (1927), which is honest at shares of 0 and 1 too."""
    if not n:
        return {"value": None, "low": None, "high": None, "n": 0}
    value = count / n
    middle = (value + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    radius = _Z / (1 + _Z**2 / n) * math.sqrt(value * (1 - value) / n + _Z**2 / (4 * n**2))
    return {"value": value, "low": max(0.0, middle - radius), "high": min(1.0, middle + radius), "n": n}
