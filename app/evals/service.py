"""Runs of the evals: each is a row from its start, ends as done or failed, and stays to be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.service import local_account
from app.accounts.types import Account
from app.db import Sessions
from app.errors import AppError, ErrorBody, EvalRunNotFound
from app.evals import repository
from app.evals.schemas import EvalRunOut
from app.evals.types import EvalKind
from app.jobs.identity import new_worker_id

Metrics = Mapping[str, Any]


def record_run(
    sessions: Sessions, kind: EvalKind, name: str, config: dict[str, Any], evaluate: Callable[[], Metrics]
) -> EvalRunOut:
    """Evaluate and keep the result; whatever stops it marks the run failed and is raised on."""
    with sessions.begin() as session:
        run_id = repository.add(session, local_account(session).id, kind, name, config, new_worker_id()).id
    try:
        metrics = evaluate()
    except BaseException as error:
        with sessions.begin() as session:
            repository.fail(session, run_id, _body(error).model_dump(mode="json"))
        raise
    with sessions.begin() as session:
        repository.finish(session, run_id, dict(metrics))
    with sessions() as session:
        return get(session, local_account(session), run_id)


def list_latest(session: Session, user: Account, limit: int, set_id: int | None = None) -> list[EvalRunOut]:
    """Runs, latest first; those of one set, if it is named."""
    return [EvalRunOut.model_validate(row) for row in repository.list_latest(session, user.id, limit, set_id)]


def get(session: Session, user: Account, run_id: int) -> EvalRunOut:
    """Raises EvalRunNotFound, also for another owner's run."""
    row = repository.get(session, user.id, run_id)
    if row is None:
        raise EvalRunNotFound(f"There is no eval run {run_id}.")
    return EvalRunOut.model_validate(row)


def _body(error: BaseException) -> ErrorBody:
    if isinstance(error, AppError):
        return error.body()
    return ErrorBody(
        code="eval_stopped",
        stage="evals",
        cause=f"The run was stopped by {type(error).__name__}: {error}".rstrip(": "),
        next_step="Run it again; if it stays, read the traceback.",
    )
