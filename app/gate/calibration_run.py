"""A calibration in the background: question by question as any eval run, to be watched and cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.evals.metrics import Interval
from app.evals.runs import service as runs
from app.evals.runs.asking import Context
from app.evals.runs.types import StoredResult, Unit, UnitResult, unscorable
from app.evals.sets import repository as sets
from app.evals.sets.service import require as require_set
from app.gate import service
from app.gate.calibration import ScoredQuestion, halves
from app.gate.schemas import CalibrateRequest
from app.services import Services
from app.tables import EvalRun, User

UNSAID = "It is not said whether the documents answer it."


def start(
    services: Services, session: Session, user: Account, collection_id: int, body: CalibrateRequest
) -> EvalRun:
    """A queued run. Raises CollectionNotFound, EvalSetNotFound and GateNotCalibrated."""
    service.require_collection(session, user, collection_id)
    row = require_set(session, user, body.eval_set_id)
    cases = sets.ready_cases(session, row.id)[: service.MAX_QUESTIONS]
    known = [ScoredQuestion(each.key, 0.0, each.answerable) for each in cases if each.answerable is not None]
    try:
        halves(known)
    except ValueError as error:
        raise service.not_calibrated(row.name, error) from error
    config = runs.run_config(services, session, user, None) | {
        "collection_id": collection_id,
        "wanted_false_answers": body.wanted_false_answers,
        "apply": body.apply,
        "limit": service.MAX_QUESTIONS,
    }
    return runs.add(session, user, "calibrate", row.name, row.id, config)


def score(context: Context, unit: Unit) -> UnitResult:
    """The best score that the search in the collection finds for a question, and how sure its answer is."""
    if unit.case.answerable is None:
        return unscorable(UNSAID)
    place = context.documents
    found = service.scored_question(context.services, place.user, place.collection_id or 0, unit.case)
    sure = {} if found.sureness is None else {"sureness": found.sureness}
    return UnitResult("scored", {"best_score": found.score, **sure}, {"answerable": found.answerable})


def conclude(services: Services, run: EvalRun, results: Sequence[StoredResult]) -> dict[str, Interval]:
    """Keeps the calibration with its collection; both error rates of the recommended level."""
    questions = [
        ScoredQuestion(
            row.key, row.scores["best_score"], row.detail["answerable"], row.scores.get("sureness")
        )
        for row in results
        if "best_score" in row.scores
    ]
    config: dict[str, Any] = run.config
    with services.sessions.begin() as session:
        owner = session.get_one(User, run.owner_id)
        user = Account(owner.id, owner.name)
        found = service.calibration_of(
            services, user, config["collection_id"], questions, config["wanted_false_answers"], run.name
        )
        service.keep(session, user, config["collection_id"], found, apply=config["apply"])
    measured: dict[str, Interval] = found["measured"]
    return {name: measured[name] for name in ("false_answers", "false_refusals")}
