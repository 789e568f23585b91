"""Works one run off: unit by unit, each result kept at once, so that a stop loses one question at most."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from app.accounts.types import Account
from app.errors import AppError, InternalError, Overloaded
from app.evals.cases import Case
from app.evals.generation.execution import units_of
from app.evals.judging.client import Judge, judge_facts
from app.evals.runs import repository
from app.evals.runs.asking import Context
from app.evals.runs.conditions import conditions
from app.evals.runs.errors import EvalRunChanged, NothingToAsk, SweepImpossible
from app.evals.runs.places import CorpusPlace, DocumentsPlace
from app.evals.runs.plan import PLANS, Plan
from app.evals.runs.scoring import failure_scores
from app.evals.runs.types import Unit, UnitResult
from app.evals.sets import repository as sets
from app.evals.types import EvalKind, Progress, RunStatus
from app.services import Services
from app.tables import EvalRun, User
from retrieval.types import SearchConfig

log = logging.getLogger(__name__)

OVERLOAD_WAITS = 60
OVERLOAD_WAIT_S = 1.0

Stopping = Callable[[], bool]


class Stopped(Exception):
    """The run was cancelled, or this process ends."""


def execute(
    services: Services,
    run_id: int,
    holder: str,
    stopping: Stopping,
    tell: Progress,
    pause: Callable[[], None],
) -> None:
    """Asks what is not asked yet and ends the run as done, failed, cancelled or interrupted.

    The holder must have taken the run. `pause` is called before each question: it may wait.
    """
    try:
        with services.sessions() as session:
            run = session.get_one(EvalRun, run_id)
        _work(services, run, holder, stopping, tell, pause)
        status, values = _summary(services, run)
    except Stopped:
        status, values = _stopped(services, run_id)
    except AppError as error:
        status, values = "failed", {"error": error.body().model_dump(mode="json")}
    except Exception:
        log.exception("eval run %d failed", run_id)
        body = InternalError("The run could not go on.").body()
        status, values = "failed", {"error": body.model_dump(mode="json")}
    with services.sessions.begin() as session:
        repository.finish(session, run_id, holder, status, **values)


def _work(
    services: Services,
    run: EvalRun,
    holder: str,
    stopping: Stopping,
    tell: Progress,
    pause: Callable[[], None],
) -> None:
    plan = PLANS[cast(EvalKind, run.kind)]
    _check_unchanged(services, run)
    _check_room(services, plan)
    cases = cases_of(services, run)
    units = plan.units(cases)
    with services.sessions.begin() as session:
        repository.set_total(session, run.id, len(units))
        done = repository.done_units(session, run.id)

    def alive(what: str, count: int, total: int) -> None:
        tell(what, count, total)
        with services.sessions.begin() as session:
            held = repository.heartbeat(session, run.id, holder)
        if not held or stopping():
            raise Stopped

    with _context(services, run, alive) as context:
        for number, unit in enumerate(units, start=1):
            if (unit.case.key, unit.variant) not in done:
                pause()
                alive("questions", number - 1, len(units))
                result = _measured(plan, context, unit)
                with services.sessions.begin() as session:
                    repository.add_result(session, run.owner_id, run.id, unit, result)
        tell("questions", len(units), len(units))


def cases_of(services: Services, run: EvalRun) -> list[Case]:
    """The ready questions of the run's set, those of its tag, the first of its limit; raises NothingToAsk.

    A run that writes questions has passages in their place.
    """
    if run.kind == "generate":
        return units_of(run.config)
    with services.sessions() as session:
        cases = sets.ready_cases(session, run.set_id or 0)
    tag, limit = run.config.get("tag"), run.config.get("limit")
    chosen = [case for case in cases if tag is None or tag in case.tags][:limit]
    if not chosen:
        raise NothingToAsk("The set has no question that is ready to be asked.")
    return chosen


@contextmanager
def _context(services: Services, run: EvalRun, tell: Progress) -> Iterator[Context]:
    config = SearchConfig(**run.config["search"])
    with services.sessions() as session:
        user = session.get_one(User, run.owner_id)
        corpus = sets.corpus_of(session, run.set_id or 0)
    documents = DocumentsPlace(services, Account(user.id, user.name), run.config.get("collection_id"), config)
    brought = CorpusPlace(services, run.set_id or 0, corpus, config, tell) if corpus else None
    judge = Judge(services.settings) if run.config.get("judge") else None
    try:
        yield Context(services, config, documents, brought, run.set_id or 0, judge)
    finally:
        if judge is not None:
            judge.close()
        if brought is not None:
            brought.close()


def _measured(plan: Plan, context: Context, unit: Unit) -> UnitResult:
    """The unit's result; an expected failure is an outcome that is counted, not hidden."""
    for attempt in range(OVERLOAD_WAITS):
        try:
            return plan.measure(context, unit)
        except Overloaded as error:  # people come first; only when it never ends does it count
            failure: AppError = error
            time.sleep(OVERLOAD_WAIT_S if attempt else 0.1)
        except AppError as error:
            failure = error
            break
    error_body = failure.body().model_dump(mode="json")
    return UnitResult("failed", failure_scores(unit.case), {"error": error_body})


def _check_unchanged(services: Services, run: EvalRun) -> None:
    now = conditions(services)
    changed = [name for name in now if run.config.get(name) != now[name]]
    if run.config.get("judge") not in (None, judge_facts(services.settings)):
        changed.append("judge")
    if changed:
        raise EvalRunChanged(f"{', '.join(changed)} changed since the run began.")


def _check_room(services: Services, plan: Plan) -> None:
    most = services.models.generator.template.max_passages
    if plan.passages is not None and most is not None and most < plan.passages:
        raise SweepImpossible(
            f"The decoder reads {most} passages at a time; the sweep needs {plan.passages}."
        )


def _summary(services: Services, run: EvalRun) -> tuple[RunStatus, dict[str, Any]]:
    with services.sessions() as session:
        results: Sequence[Any] = repository.results(session, run.id)
    plan = PLANS[cast(EvalKind, run.kind)]
    metrics = plan.conclude(services, run, results) if plan.conclude else plan.summarise(results)
    return "done", {"metrics": metrics, "error": None}


def _stopped(services: Services, run_id: int) -> tuple[RunStatus, dict[str, Any]]:
    with services.sessions() as session:
        run = session.get(EvalRun, run_id)
    if run is not None and run.cancel_requested:
        return "cancelled", {}
    return "interrupted", {"error": repository.INTERRUPTED}
