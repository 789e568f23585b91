"""How good the answers are: right, cited, and refused exactly when the passages do not say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import AppError
from app.evals.metrics import (
    Interval,
    citation_precision,
    citation_recall,
    exact_match,
    f1,
    mean_interval,
)
from app.evals.records import AnswerRecord
from app.evals.types import AnswerFn, EvalAnswer, EvalPassage, Progress


@dataclass(frozen=True, slots=True)
class _Outcome:
    record: AnswerRecord
    answer: EvalAnswer


def evaluate_answers(
    records: Sequence[AnswerRecord], answer_fn: AnswerFn, progress: Progress
) -> dict[str, Interval]:
    """Ask every record's question and measure what comes back.

    Answer measures are over answerable records, where a refusal or a failure counts as wrong. Citation
    measures are over those of them that name gold passages (precision: those answered with a citation).
    `failed` is the share of questions that ended in an error.
    """
    outcomes = []
    for done, record in enumerate(records, start=1):
        outcomes.append(_Outcome(record, _ask(record, answer_fn)))
        progress("answers", done, len(records))
    return {
        **_answer_measures([outcome for outcome in outcomes if outcome.record.answerable]),
        **_refusal_measures(outcomes),
        "seconds_per_question": mean_interval([outcome.answer.seconds for outcome in outcomes]),
        "failed": mean_interval([float(outcome.answer.state == "failed") for outcome in outcomes]),
    }


def _ask(record: AnswerRecord, answer_fn: AnswerFn) -> EvalAnswer:
    """The answer; an expected failure is an outcome like any other and is counted, not hidden."""
    passages = None
    if record.passages is not None:
        passages = [EvalPassage(passage.id, passage.title, passage.text) for passage in record.passages]
    started = time.perf_counter()
    try:
        return answer_fn(record.question, passages)
    except AppError:
        return EvalAnswer("", "failed", (), time.perf_counter() - started)


def _answer_measures(answerable: Sequence[_Outcome]) -> dict[str, Interval]:
    texts = [(_given(o.answer), o.record.answers) for o in answerable if o.record.answers]
    citations = [(_cited(o.answer), o.record.gold) for o in answerable if o.record.gold]
    return {
        "exact_match": mean_interval([exact_match(*pair) for pair in texts]),
        "f1": mean_interval([f1(*pair) for pair in texts]),
        "citation_precision": mean_interval([citation_precision(*pair) for pair in citations if pair[0]]),
        "citation_recall": mean_interval([citation_recall(*pair) for pair in citations]),
    }


def _refusal_measures(outcomes: Sequence[_Outcome]) -> dict[str, Interval]:
    def refused(answerable: bool) -> list[float]:
        states = [o.answer.state for o in outcomes if o.record.answerable is answerable]
        return [float(state == "refused") for state in states]

    answered = [o.answer for o in outcomes if o.answer.state == "answered"]
    return {
        "refused_when_unanswerable": mean_interval(refused(answerable=False)),
        "refused_when_answerable": mean_interval(refused(answerable=True)),
        "answered_with_citation": mean_interval([float(bool(_cited(answer))) for answer in answered]),
    }


def _given(answer: EvalAnswer) -> str:
    return answer.text if answer.state == "answered" else ""


def _cited(answer: EvalAnswer) -> tuple[str, ...]:
    return answer.cited_passage_ids if answer.state == "answered" else ()
