"""SQL of runs over sets: their queue, their lease, their results."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.evals.runs.types import StoredResult, Unit, UnitResult
from app.evals.tables import EvalResult
from app.evals.types import EvalKind
from app.jobs.identity import is_gone
from app.tables import EvalRun, utc_now

ACTIVE = ("queued", "running")
LEASE_S = 900.0  # longest silence of a run that lives: encoding a corpus tells progress batch by batch
INTERRUPTED = {
    "code": "eval_interrupted",
    "stage": "evals",
    "cause": "The process that worked on this run stopped.",
    "next_step": "Resume it: the questions that were answered are kept.",
    "details": {},
}


def queue(run: EvalRun) -> None:
    """Puts a run, new or stopped, at the end of the line."""
    run.status, run.error, run.finished_at, run.cancel_requested = "queued", None, None, False
    run.leased_by = run.lease_expires_at = None


def active_runs(session: Session, owner_id: int, set_id: int, kind: EvalKind) -> list[EvalRun]:
    """Runs of one kind over a set that wait or are being worked on."""
    statement = select(EvalRun).where(
        EvalRun.owner_id == owner_id,
        EvalRun.set_id == set_id,
        EvalRun.kind == kind,
        EvalRun.status.in_(ACTIVE),
    )
    return list(session.scalars(statement))


def next_queued(session: Session) -> int | None:
    return session.scalar(select(EvalRun.id).where(EvalRun.status == "queued").order_by(EvalRun.id).limit(1))


def take(session: Session, run_id: int, holder: str) -> bool:
    """Makes a queued run this holder's; False when somebody else was faster."""
    taken = session.execute(
        update(EvalRun)
        .where(EvalRun.id == run_id, EvalRun.status == "queued")
        .values(status="running", leased_by=holder, lease_expires_at=_lease_end())
        .returning(EvalRun.id)
    )
    return taken.scalar() is not None


def heartbeat(session: Session, run_id: int, holder: str) -> bool:
    """Extends the lease; False when the run is to stop: cancelled, deleted, or taken to be dead."""
    held = session.execute(
        update(EvalRun)
        .where(
            EvalRun.id == run_id,
            EvalRun.leased_by == holder,
            EvalRun.status == "running",
            EvalRun.cancel_requested.is_(False),
        )
        .values(lease_expires_at=_lease_end())
        .returning(EvalRun.id)
    )
    return held.scalar() is not None


def set_total(session: Session, run_id: int, total: int) -> None:
    session.execute(update(EvalRun).where(EvalRun.id == run_id).values(total=total))


def add_result(session: Session, owner_id: int, run_id: int, unit: Unit, result: UnitResult) -> None:
    """Keeps a result and counts it."""
    session.add(
        EvalResult(
            owner_id=owner_id,
            run_id=run_id,
            case_key=unit.case.key,
            variant=unit.variant,
            question=unit.case.question,
            outcome=result.outcome,
            scores=result.scores,
            detail=result.detail,
        )
    )
    session.flush()
    done = select(func.count()).where(EvalResult.run_id == run_id).scalar_subquery()
    session.execute(update(EvalRun).where(EvalRun.id == run_id).values(done=done))


def finish(session: Session, run_id: int, holder: str, status: str, **values: Any) -> None:
    """Ends a run, if it is still this holder's."""
    session.execute(
        update(EvalRun)
        .where(EvalRun.id == run_id, EvalRun.leased_by == holder, EvalRun.status == "running")
        .values(status=status, finished_at=utc_now(), **values)
    )


def done_units(session: Session, run_id: int) -> set[tuple[str, str]]:
    statement = select(EvalResult.case_key, EvalResult.variant).where(EvalResult.run_id == run_id)
    return {(key, variant) for key, variant in session.execute(statement)}


def results(session: Session, run_id: int) -> list[StoredResult]:
    """Every result of a run, in the order of asking."""
    rows = session.scalars(select(EvalResult).where(EvalResult.run_id == run_id).order_by(EvalResult.id))
    return [_stored(row) for row in rows]


def page_of_results(
    session: Session, run_id: int, outcome: str | None, limit: int, offset: int
) -> tuple[list[StoredResult], int]:
    """One page in the order of asking, and the number of all matches."""
    statement = select(EvalResult).where(EvalResult.run_id == run_id)
    if outcome is not None:
        statement = statement.where(EvalResult.outcome == outcome)
    total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    rows = session.scalars(statement.order_by(EvalResult.id).limit(limit).offset(offset))
    return [_stored(row) for row in rows], total


def delete_run(session: Session, run: EvalRun) -> None:
    session.execute(delete(EvalResult).where(EvalResult.run_id == run.id))
    session.delete(run)


def any_abandoned(session: Session) -> bool:
    """Whether a run's holder is gone or silent; only reads."""
    return any(_abandoned(run) for run in session.scalars(select(EvalRun).where(EvalRun.status == "running")))


def mark_interrupted(session: Session) -> int:
    """Runs whose holder is gone or silent stop as interrupted; returns how many."""
    runs = [
        run for run in session.scalars(select(EvalRun).where(EvalRun.status == "running")) if _abandoned(run)
    ]
    for run in runs:
        run.status, run.error, run.finished_at = "interrupted", INTERRUPTED, utc_now()
    return len(runs)


def _abandoned(run: EvalRun) -> bool:
    """Runs of the first release have no holder; nobody knows whether they live."""
    if run.leased_by is None:
        return False
    silent = run.lease_expires_at is not None and run.lease_expires_at < utc_now()
    return silent or is_gone(run.leased_by)


def _lease_end() -> Any:
    return utc_now() + timedelta(seconds=LEASE_S)


def _stored(row: EvalResult) -> StoredResult:
    return StoredResult(
        row.case_key,
        row.variant,
        row.question,
        row.outcome,  # type: ignore[arg-type]  # written by add_result
        row.scores,
        row.detail,
    )
