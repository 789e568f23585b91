"""`/v1/collections/{id}/gate`: how sure the answers of a collection must be, and its calibration."""

from __future__ import annotations

from fastapi import APIRouter

from app.dependencies import AppServices, CurrentUser, EvalRuns, ReadSession, WriteSession
from app.error_responses import error_responses
from app.errors import CollectionNotFound
from app.evals.schemas import EvalRunOut
from app.evals.sets import repository as eval_sets
from app.evals.sets import service as eval_set_service
from app.evals.sets.errors import EvalSetNotFound
from app.gate import calibration_run, service
from app.gate.schemas import CalibrateRequest, GateChange, GateOut
from app.schemas import RowId

router = APIRouter(prefix="/v1/collections/{collection_id}/gate", tags=["collections"])


@router.get("", responses=error_responses(CollectionNotFound))
def read(collection_id: RowId, services: AppServices, session: ReadSession, user: CurrentUser) -> GateOut:
    """The level in force, and both error rates over all levels as last measured."""
    return service.gate_of(services, session, user, service.require_collection(session, user, collection_id))


@router.put("", responses=error_responses(CollectionNotFound))
def change(
    collection_id: RowId, body: GateChange, services: AppServices, session: WriteSession, user: CurrentUser
) -> GateOut:
    """Puts a level in force for this collection, or the default again."""
    collection = service.require_collection(session, user, collection_id)
    collection.evidence_threshold, collection.min_sureness = body.threshold, body.min_sureness
    return service.gate_of(services, session, user, collection)


@router.post(
    "/calibrate",
    responses=error_responses(CollectionNotFound, EvalSetNotFound, service.GateNotCalibrated),
)
def calibrate(
    collection_id: RowId, body: CalibrateRequest, services: AppServices, user: CurrentUser
) -> GateOut:
    """Asks the ready questions of an eval set; returns when all are searched and read, about a second each.

    The level is chosen on half of them and measured on the other half.
    """
    with services.sessions() as session:
        service.require_collection(session, user, collection_id)
        found = eval_set_service.require(session, user, body.eval_set_id)
        cases, name = eval_sets.ready_cases(session, found.id), found.name
    calibration = service.calibrated(services, user, collection_id, cases, body.wanted_false_answers, name)
    with services.sessions.begin() as session:
        row = service.keep(session, user, collection_id, calibration, apply=body.apply)
        return service.gate_of(services, session, user, row)


@router.post(
    "/calibrations",
    status_code=202,
    responses=error_responses(CollectionNotFound, EvalSetNotFound, service.GateNotCalibrated),
)
def start_calibration(
    collection_id: RowId, body: CalibrateRequest, services: AppServices, runner: EvalRuns, user: CurrentUser
) -> EvalRunOut:
    """The same in the background, as a run of kind `calibrate`; the gate holds its result when it is done."""
    with services.sessions.begin() as session:
        run = EvalRunOut.model_validate(calibration_run.start(services, session, user, collection_id, body))
    runner.wake()
    return run
