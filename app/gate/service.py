"""The gate of a collection: its threshold, and its calibration on questions with known answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.answers.evaluation import own_chunks, ranked, sureness
from app.answers.search import find, scope
from app.collections import repository
from app.configurations.resolving import resolve
from app.errors import CollectionNotFound, InvalidRequest
from app.evals.cases import Case
from app.evals.types import EvalPassage
from app.gate.calibration import Calibration, Level, ScoredQuestion, calibrate, halves, point
from app.gate.schemas import GateOut
from app.services import Services
from app.tables import Collection, utc_now
from retrieval.types import SearchResult

MAX_QUESTIONS = 2000
MADE_WITH = ("reranker", "generator")
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
    config = resolve(session, user, services.settings)
    own, own_sureness, stored = collection.evidence_threshold, collection.min_sureness, collection.gate
    return GateOut(
        collection_id=collection.id,
        threshold=own,
        default=config.evidence_threshold,
        in_force=config.evidence_threshold if own is None else own,
        min_sureness=own_sureness,
        default_sureness=config.min_sureness,
        sureness_in_force=config.min_sureness if own_sureness is None else own_sureness,
        calibration=stored,  # type: ignore[arg-type]  # checked by pydantic
        stale=stored is not None and _made_with(services) != {name: stored.get(name) for name in MADE_WITH},
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
        gate = gate_of(services, session, user, require_collection(session, user, collection_id))
    in_force = Level(gate.in_force, gate.sureness_in_force)
    return _row(services, found, questions, in_force, name)


def not_calibrated(name: str, why: ValueError) -> GateNotCalibrated:
    """The error for a set that has too few questions of a kind."""
    return GateNotCalibrated(f"The set {name} cannot calibrate a gate: {why}.")


def scored(
    services: Services, user: Account, collection_id: int, cases: Sequence[Case], told: Asked | None = None
) -> list[ScoredQuestion]:
    """The best score and the sureness of every question of which it is known whether it can be answered.

    A question that brings its own passages is scored on these, any other is searched in the collection.
    """
    known = [case for case in cases if case.answerable is not None]
    questions = []
    for done, case in enumerate(known, start=1):
        questions.append(scored_question(services, user, collection_id, case))
        if told is not None:
            told(done, len(known))
    return questions


def scored_question(services: Services, user: Account, collection_id: int, case: Case) -> ScoredQuestion:
    """What gate and answerer go by, of one question; nothing is written for it."""
    found = found_for(services, user, collection_id, case)
    best = max((hit.rerank for hit in found.hits if hit.rerank is not None), default=0.0)
    sure = sureness(services, case.question, found.hits) if found.hits else 0.0
    return ScoredQuestion(case.key, best, bool(case.answerable), sure)


def found_for(services: Services, user: Account, collection_id: int, case: Case) -> SearchResult:
    """What search finds for a question in the collection, or the passages that it brings, ranked."""
    with services.sessions() as session:
        config = resolve(session, user, services.settings)
        if case.passages is None:
            access = scope(services, session, user, [collection_id], None)
            return find(services, session, user, case.question, access, config)
    if not case.passages:
        return SearchResult((), None, enough_evidence=False)
    chunks = own_chunks([EvalPassage(each.id, each.title, each.text) for each in case.passages])
    return ranked(services, case.question, chunks, config)


def _row(
    services: Services,
    found: Calibration,
    questions: Sequence[ScoredQuestion],
    in_force: Level,
    name: str,
) -> dict[str, Any]:
    return asdict(found) | {
        "current": asdict(point(halves(questions)[1], in_force)),
        "set_name": name,
        "answerable": sum(question.answerable for question in questions),
        "unanswerable": sum(not question.answerable for question in questions),
        **_made_with(services),
        "created_at": utc_now().isoformat(),
    }


def _made_with(services: Services) -> dict[str, str]:
    models = services.models
    return dict(zip(MADE_WITH, (models.reranker_id, models.generator.id), strict=True))


def keep(
    session: Session, user: Account, collection_id: int, calibration: dict[str, Any], *, apply: bool
) -> Collection:
    """Stores the calibration with its collection, and puts the recommended level in force if told to."""
    row = require_collection(session, user, collection_id)
    row.gate = calibration
    if apply:
        row.evidence_threshold = min(1.0, calibration["recommended"])
        sure = calibration["recommended_sureness"]
        row.min_sureness = None if sure is None else min(1.0, sure)
    return row
