"""The gate of a collection: its threshold, and its calibration on questions with known answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.answers.search import find, scope
from app.collections import repository
from app.configurations.resolving import resolve
from app.errors import CollectionNotFound, InvalidRequest
from app.evals.cases import Case
from app.gate.calibration import Calibration, ScoredQuestion, calibrate, halves, point
from app.gate.schemas import GateOut
from app.services import Services
from app.tables import Collection, utc_now

MAX_QUESTIONS = 2000
Asked = Callable[[int, int], None]
"""Told (questions asked, of how many)."""


class GateNotCalibrated(InvalidRequest):
    """There are too few answerable or unanswerable questions to calibrate on."""

    code = "gate_not_calibrated"
    stage = "evals"
    default_next_step = (
        "Add questions that are marked as answerable or not answerable, several of each, and calibrate again."
    )


def require_collection(session: Session, user: Account, collection_id: int) -> Collection:
    """Raises CollectionNotFound, also for another owner's collection."""
    row = repository.get(session, user.id, collection_id)
    if row is None:
        raise CollectionNotFound(f"There is no collection {collection_id}.")
    return row


def gate_of(services: Services, session: Session, user: Account, collection: Collection) -> GateOut:
    """The threshold in force and where it comes from, with the last calibration."""
    default = resolve(session, user, services.settings).evidence_threshold
    own, stored = collection.evidence_threshold, collection.gate
    return GateOut(
        collection_id=collection.id,
        threshold=own,
        default=default,
        in_force=default if own is None else own,
        calibration=stored,  # type: ignore[arg-type]  # checked by pydantic
        stale=stored is not None and stored["reranker"] != services.models.reranker_id,
    )


def calibrated(
    services: Services,
    user: Account,
    collection_id: int,
    cases: Sequence[Case],
    wanted_false_answers: float,
    name: str,
    told: Asked | None = None,
) -> dict[str, Any]:
    """A calibration of the collection as it is stored and sent. Raises GateNotCalibrated."""
    questions = scored(services, user, collection_id, cases[:MAX_QUESTIONS], told)
    return calibration_of(services, user, collection_id, questions, wanted_false_answers, name)


def calibration_of(
    services: Services,
    user: Account,
    collection_id: int,
    questions: Sequence[ScoredQuestion],
    wanted_false_answers: float,
    name: str,
) -> dict[str, Any]:
    """The calibration that scored questions give, as it is stored. Raises GateNotCalibrated."""
    try:
        found = calibrate(questions, wanted_false_answers)
    except ValueError as error:
        raise not_calibrated(name, error) from error
    with services.sessions() as session:
        in_force = gate_of(services, session, user, require_collection(session, user, collection_id)).in_force
    return _row(services, found, questions, in_force, name)


def not_calibrated(name: str, why: ValueError) -> GateNotCalibrated:
    """The error for a set that has too few questions of a kind."""
    return GateNotCalibrated(f"The set {name} cannot calibrate a gate: {why}.")


def scored(
    services: Services, user: Account, collection_id: int, cases: Sequence[Case], told: Asked | None = None
) -> list[ScoredQuestion]:
    """The best score of every question of which it is known whether it can be answered.

    A question that brings its own passages is scored on these, any other is searched in the collection.
    """
    known = [(case, case.answerable) for case in cases if case.answerable is not None]
    questions = []
    for done, (case, answerable) in enumerate(known, start=1):
        score = best_score(services, user, collection_id, case)
        questions.append(ScoredQuestion(case.key, score, answerable))
        if told is not None:
            told(done, len(known))
    return questions


def best_score(services: Services, user: Account, collection_id: int, case: Case) -> float:
    """Of all that is found for a question, or of the passages that it brings; 0 where there is nothing."""
    if case.passages is not None:
        pairs = [(case.question, passage.text) for passage in case.passages]
        return max(map(float, services.models.score_pairs(pairs)), default=0.0) if pairs else 0.0
    with services.sessions() as session:
        access = scope(services, session, user, [collection_id], None)
        config = resolve(session, user, services.settings)
        found = find(services, session, user, case.question, access, config)
    return max((hit.rerank for hit in found.hits if hit.rerank is not None), default=0.0)


def _row(
    services: Services,
    found: Calibration,
    questions: Sequence[ScoredQuestion],
    in_force: float,
    name: str,
) -> dict[str, Any]:
    return asdict(found) | {
        "current": asdict(point(halves(questions)[1], in_force)),
        "set_name": name,
        "answerable": sum(question.answerable for question in questions),
        "unanswerable": sum(not question.answerable for question in questions),
        "reranker": services.models.reranker_id,
        "created_at": utc_now().isoformat(),
    }


def keep(
    session: Session, user: Account, collection_id: int, calibration: dict[str, Any], *, apply: bool
) -> Collection:
    """Stores the calibration with its collection, and puts the recommended threshold in force if told to."""
    row = require_collection(session, user, collection_id)
    row.gate = calibration
    if apply:
        row.evidence_threshold = min(1.0, calibration["recommended"])
    return row
