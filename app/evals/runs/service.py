"""Rules of runs over sets: start, cancel, resume, delete, compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.configurations.resolving import name_in_force, resolve
from app.errors import EvalRunNotFound
from app.evals import repository as runs
from app.evals.judging.client import judge_facts
from app.evals.runs import repository
from app.evals.runs.comparing import case_differences, changed, count_questions, measures, pairs
from app.evals.runs.conditions import conditions
from app.evals.runs.errors import EvalRunState, JudgeNotConfigured, NothingToAsk, RunsNotComparable
from app.evals.schemas import Comparison, ResultList, ResultOut, RunStart
from app.evals.sets import repository as sets
from app.evals.sets.service import require as require_set
from app.evals.types import EvalKind, Outcome
from app.services import Services
from app.tables import EvalRun

STOPPED = ("cancelled", "interrupted", "failed")


def start(services: Services, session: Session, user: Account, body: RunStart) -> EvalRun:
    """A queued run. Raises EvalSetNotFound, ConfigurationNotFound, NothingToAsk and JudgeNotConfigured."""
    row = require_set(session, user, body.set_id)
    counts = sets.count_cases(session, row.id)
    if not counts.get("ready"):
        raise NothingToAsk(f"The set {row.name!r} has no question that is ready to be asked.")
    config = run_config(services, session, user, body.configuration) | {
        "collection_id": row.collection_id,
        "limit": body.limit,
        "tag": body.tag,
        "left_for_review": counts.get("review", 0),
    }
    if body.judge is not None:
        config["judge"] = _judge(services, body)
    return add(session, user, body.kind, row.name, row.id, config)


def _judge(services: Services, body: RunStart) -> dict[str, str]:
    facts = judge_facts(services.settings)
    if facts is None or facts["model"] != body.judge:
        raise JudgeNotConfigured(f"The judge {body.judge!r} is not configured.", field="judge")
    if body.kind != "answers":
        raise JudgeNotConfigured(f"A run of kind {body.kind!r} has nothing for a judge.", field="judge")
    return facts


def add(
    session: Session, user: Account, kind: EvalKind, name: str, set_id: int, config: dict[str, Any]
) -> EvalRun:
    """A queued run with these conditions."""
    run = runs.add(session, user.id, kind, name, config)
    run.set_id = set_id
    repository.queue(run)
    session.flush()
    return run


def run_config(services: Services, session: Session, user: Account, name: str | None) -> dict[str, Any]:
    """The search configuration of a run under its name, and everything else that its figures depend on."""
    return {
        "configuration": name or name_in_force(session, user),
        "search": asdict(resolve(session, user, services.settings, name)),
        **conditions(services),
    }


def cancel(session: Session, user: Account, run_id: int) -> EvalRun:
    """Stops a run after the question that is being asked; raises EvalRunState for one that is over."""
    run = require(session, user, run_id)
    if run.status not in repository.ACTIVE or (run.leased_by is None and run.status == "running"):
        raise EvalRunState(f"Run {run_id} is {run.status}; only a queued or running one can be cancelled.")
    _stop(run)
    return run


def cancel_writing(session: Session, user: Account, set_id: int) -> None:
    """Stops the runs that write questions into a set which is about to be deleted."""
    for run in repository.active_runs(session, user.id, set_id, "generate"):
        _stop(run)


def _stop(run: EvalRun) -> None:
    if run.status == "queued":
        run.status = "cancelled"
    run.cancel_requested = True


def resume(session: Session, user: Account, run_id: int) -> EvalRun:
    """Queues a stopped run again: only what was not asked yet is asked. Raises EvalRunState."""
    run = require(session, user, run_id)
    if run.set_id is None or run.status not in STOPPED:
        raise EvalRunState(f"Run {run_id} is {run.status}; only a stopped run over a set can be resumed.")
    if sets.get_set(session, user.id, run.set_id) is None:
        raise EvalRunState(f"The set of run {run_id} was deleted.", next_step="Start a run over another set.")
    repository.queue(run)
    return run


def delete(session: Session, user: Account, run_id: int) -> None:
    """Removes a run that is not being worked on, with its results."""
    run = require(session, user, run_id)
    if run.status in repository.ACTIVE:
        raise EvalRunState(f"Run {run_id} is {run.status}.", next_step="Cancel it first.")
    repository.delete_run(session, run)


def results(
    session: Session, user: Account, run_id: int, outcome: Outcome | None, limit: int, offset: int
) -> ResultList:
    """One page of results, in the order of asking."""
    require(session, user, run_id)
    rows, total = repository.page_of_results(session, run_id, outcome, limit, offset)
    return ResultList(items=[ResultOut.model_validate(row) for row in rows], total=total)


def compare(session: Session, user: Account, baseline_id: int, candidate_id: int) -> Comparison:
    """Raises EvalRunNotFound, and RunsNotComparable for runs of different kinds, sets, or unfinished ones."""
    baseline, candidate = require(session, user, baseline_id), require(session, user, candidate_id)
    if baseline.set_id is None or (baseline.set_id, baseline.kind) != (candidate.set_id, candidate.kind):
        raise RunsNotComparable("The two runs are not of one kind on one set.")
    for run in (baseline, candidate):
        if run.status != "done":
            raise RunsNotComparable(f"Run {run.id} is {run.status}; only finished runs can be compared.")
    first, second = repository.results(session, baseline_id), repository.results(session, candidate_id)
    paired = pairs(first, second)
    in_both = count_questions(before for before, _ in paired)
    return Comparison(
        baseline_run_id=baseline_id,
        candidate_run_id=candidate_id,
        questions=in_both,
        only_in_one=count_questions((*first, *second)) - in_both,
        changed_config=changed(baseline.config, candidate.config),
        measures=measures(paired),
        cases=case_differences(paired),
    )


def require(session: Session, user: Account, run_id: int) -> EvalRun:
    """The owner's run; raises EvalRunNotFound, also for another owner's."""
    run = runs.get(session, user.id, run_id)
    if run is None:
        raise EvalRunNotFound(f"There is no eval run {run_id}.")
    return run
