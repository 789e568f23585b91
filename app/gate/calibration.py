"""How sure an answer must be to keep false answers rare, fitted on half of the questions. Pure.

A question is answered when the best reranker score reaches the threshold and the answerer is sure enough.
Both follow one level: of every sureness that can be asked for, the threshold is the highest that refuses none
of the answerable questions that are answered then. A decoder that never refuses has the threshold alone. The
other half measures it: a false answer is an unanswerable question that is answered; a false refusal an
answerable one that is not.
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
    sureness: float | None = None  # of the answerer, 0..1; None: it never refuses


@dataclass(frozen=True, slots=True)
class Level:
    """Where questions are refused: below this score, or below this sureness."""

    threshold: float
    min_sureness: float | None = None  # None: no answerer that refuses


@dataclass(frozen=True, slots=True)
class GatePoint:
    """What a level does to questions."""

    threshold: float
    min_sureness: float | None
    false_answers: Interval
    false_refusals: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """A level, how it was found, and what it does to questions that had no part in that."""

    wanted_false_answers: float
    recommended: float  # threshold
    recommended_sureness: float | None
    fitted: GatePoint  # on the half that chose it
    measured: GatePoint  # on the other half
    curve: tuple[GatePoint, ...]  # on the other half, by rising level


def calibrate(questions: Sequence[ScoredQuestion], wanted_false_answers: float) -> Calibration:
    """The lowest level whose false answers on one half are as rare as wanted.

    Raises ValueError with fewer than `LEAST_OF_A_KIND` answerable or unanswerable questions.
    """
    fit, other = halves(questions)
    chosen = lowest_level(fit, wanted_false_answers)
    return Calibration(
        wanted_false_answers,
        chosen.threshold,
        chosen.min_sureness,
        fitted=point(fit, chosen),
        measured=point(other, chosen),
        curve=curve(other, levels(fit)),
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


def lowest_level(questions: Sequence[ScoredQuestion], wanted_false_answers: float) -> Level:
    """The lowest level with at most that share of false answers."""
    return next(
        level
        for level in levels(questions)
        if (point(questions, level).false_answers["value"] or 0.0) <= wanted_false_answers
    )


def levels(questions: Sequence[ScoredQuestion]) -> list[Level]:
    """Levels that tell the questions apart, rising: the first answers all of them, the last one none."""
    surenesses = [question.sureness for question in questions if question.sureness is not None]
    if len(surenesses) < len(questions):
        return [Level(threshold) for threshold in between([question.score for question in questions])]
    return [Level(_harmless(questions, sureness), sureness) for sureness in between(surenesses)]


def _harmless(questions: Sequence[ScoredQuestion], min_sureness: float) -> float:
    """The highest threshold that refuses none of the answerable questions that are sure enough."""
    kept = [q.score for q in questions if q.answerable and (q.sureness or 0.0) >= min_sureness]
    lowest = min(kept, default=1.0)
    return max(each for each in between([question.score for question in questions]) if each <= lowest)


def between(values: Sequence[float]) -> list[float]:
    """Limits that tell values of 0 to 1 apart, rising: 0 keeps all of them, the last one none."""
    rising = sorted(set(values))
    middles = [(low + high) / 2 for low, high in zip(rising, [*rising[1:], 1.0], strict=True)]
    return [0.0, *middles] if rising and rising[-1] < 1.0 else [0.0, *middles[:-1], math.nextafter(1.0, 2.0)]


def curve(questions: Sequence[ScoredQuestion], rising: Sequence[Level]) -> tuple[GatePoint, ...]:
    """Both rates at `CURVE_POINTS` of the levels at most; none is above 1."""
    usable = [each for each in rising if max(each.threshold, each.min_sureness or 0.0) <= 1.0]
    step = max(1, math.ceil(len(usable) / (CURVE_POINTS - 1)))
    kept = dict.fromkeys((*usable[::step], usable[-1]))
    return tuple(point(questions, level) for level in kept)


def is_answered(question: ScoredQuestion, level: Level) -> bool:
    """Whether a question passes the gate and its answerer is sure enough."""
    sure = 1.0 if question.sureness is None else question.sureness
    return question.score >= level.threshold and sure >= (level.min_sureness or 0.0)


def point(questions: Sequence[ScoredQuestion], level: Level) -> GatePoint:
    """Both rates at a level, with 95% intervals."""
    answered = [is_answered(question, level) for question in questions if not question.answerable]
    refused = [not is_answered(question, level) for question in questions if question.answerable]
    return GatePoint(
        level.threshold,
        level.min_sureness,
        share(sum(answered), len(answered)),
        share(sum(refused), len(refused)),
    )


def share(count: int, n: int) -> Interval:
    """A share with its 95% interval: Wilson's (1927), which is honest at shares of 0 and 1 too."""
    if not n:
        return {"value": None, "low": None, "high": None, "n": 0}
    value = count / n
    middle = (value + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    radius = _Z / (1 + _Z**2 / n) * math.sqrt(value * (1 - value) / n + _Z**2 / (4 * n**2))
    return {"value": value, "low": max(0.0, middle - radius), "high": min(1.0, middle + radius), "n": n}
