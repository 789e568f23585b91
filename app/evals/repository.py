"""SQL of eval runs; every statement is scoped by owner."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.tables import EvalRun, utc_now


def add(
    session: Session, owner_id: int, kind: str, name: str, config: dict[str, Any], holder: str | None = None
) -> EvalRun:
    row = EvalRun(owner_id=owner_id, kind=kind, name=name, config=config, leased_by=holder)
    session.add(row)
    session.flush()
    return row


def finish(session: Session, run_id: int, metrics: dict[str, Any]) -> None:
    row = session.get_one(EvalRun, run_id)
    row.status, row.metrics, row.finished_at = "done", metrics, utc_now()


def fail(session: Session, run_id: int, error: dict[str, Any]) -> None:
    row = session.get_one(EvalRun, run_id)
    row.status, row.error, row.finished_at = "failed", error, utc_now()


def list_latest(session: Session, owner_id: int, limit: int, set_id: int | None) -> list[EvalRun]:
    statement = select(EvalRun).where(EvalRun.owner_id == owner_id)
    if set_id is not None:
        statement = statement.where(EvalRun.set_id == set_id)
    return list(session.scalars(statement.order_by(EvalRun.id.desc()).limit(limit)))


def get(session: Session, owner_id: int, run_id: int) -> EvalRun | None:
    return session.scalar(select(EvalRun).where(EvalRun.owner_id == owner_id, EvalRun.id == run_id))
