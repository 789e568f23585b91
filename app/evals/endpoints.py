"""`/v1/evals`: runs over sets, in the background; runs over files come from the command line."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.configurations.resolving import ConfigurationNotFound
from app.dependencies import AppServices, CurrentUser, EvalRuns, ReadSession, WriteSession
from app.error_responses import error_responses
from app.errors import EvalRunNotFound
from app.evals import service
from app.evals.judging.client import judge_facts
from app.evals.runs import service as runs
from app.evals.runs.errors import EvalRunState, JudgeNotConfigured, NothingToAsk, RunsNotComparable
from app.evals.schemas import Comparison, EvalRunList, EvalRunOut, JudgeList, JudgeOut, ResultList, RunStart
from app.evals.sets.errors import EvalSetNotFound
from app.evals.types import Outcome
from app.schemas import RowId

router = APIRouter(prefix="/v1/evals", tags=["evals"])


@router.get("")
def list_all(
    session: ReadSession,
    user: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    set_id: Annotated[int | None, Query(ge=1)] = None,
) -> EvalRunList:
    """Your eval runs, latest first."""
    return EvalRunList(items=service.list_latest(session, user, limit, set_id))


@router.get("/judges")
def judges(services: AppServices, user: CurrentUser) -> JudgeList:  # noqa: ARG001 - signed in
    """The large-model judge that a run may name: then questions, answers and passages leave the machine."""
    facts = judge_facts(services.settings)
    return JudgeList(items=[JudgeOut.model_validate(facts)] if facts else [])


@router.post(
    "",
    status_code=202,
    responses=error_responses(EvalSetNotFound, ConfigurationNotFound, NothingToAsk, JudgeNotConfigured),
)
def start(body: RunStart, services: AppServices, runner: EvalRuns, user: CurrentUser) -> EvalRunOut:
    """Queues a run; it asks every ready question of the set, one after the other."""
    with services.sessions.begin() as session:
        run = EvalRunOut.model_validate(runs.start(services, session, user, body))
    runner.wake()
    return run


@router.get("/{run_id}", responses=error_responses(EvalRunNotFound))
def read(run_id: RowId, session: ReadSession, user: CurrentUser) -> EvalRunOut:
    """One run with its progress, configuration and measures."""
    return service.get(session, user, run_id)


@router.delete("/{run_id}", status_code=204, responses=error_responses(EvalRunNotFound, EvalRunState))
def delete(run_id: RowId, session: WriteSession, user: CurrentUser) -> None:
    """Removes a run that is over, with its results."""
    runs.delete(session, user, run_id)


@router.post("/{run_id}/cancel", status_code=202, responses=error_responses(EvalRunNotFound, EvalRunState))
def cancel(run_id: RowId, session: WriteSession, user: CurrentUser) -> EvalRunOut:
    """Stops a run after the question that is being asked; what was answered is kept."""
    return EvalRunOut.model_validate(runs.cancel(session, user, run_id))


@router.post("/{run_id}/resume", status_code=202, responses=error_responses(EvalRunNotFound, EvalRunState))
def resume(run_id: RowId, services: AppServices, runner: EvalRuns, user: CurrentUser) -> EvalRunOut:
    """Goes on with a stopped run: only what was not asked yet is asked."""
    with services.sessions.begin() as session:
        run = EvalRunOut.model_validate(runs.resume(session, user, run_id))
    runner.wake()
    return run


@router.get("/{run_id}/results", responses=error_responses(EvalRunNotFound))
def results(
    run_id: RowId,
    session: ReadSession,
    user: CurrentUser,
    outcome: Outcome | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> ResultList:
    """What came back for each question, and how it was scored."""
    return runs.results(session, user, run_id, outcome, limit, offset)


@router.get("/{run_id}/compare", responses=error_responses(EvalRunNotFound, RunsNotComparable))
def compare(
    run_id: RowId, baseline: Annotated[int, Query(ge=1)], session: ReadSession, user: CurrentUser
) -> Comparison:
    """This run against an earlier one: measures with tests of significance, and every question."""
    return runs.compare(session, user, baseline, run_id)
