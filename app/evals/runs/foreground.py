"""A run over a set in the process that asks for it: what `footnote eval run` does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from sqlalchemy.orm import Session

from app.accounts.service import local_account
from app.accounts.types import Account
from app.documents.folder import sync_folder
from app.errors import AppError, ErrorBody, InvalidRequest
from app.evals import service as stored
from app.evals.runs import repository, service
from app.evals.runs.execution import execute
from app.evals.runs.gate import Gate, violations
from app.evals.schemas import EvalRunOut, RunStart, SetKind
from app.evals.sets import repository as sets
from app.evals.sets import service as sets_service
from app.evals.sets.errors import EvalSetEdited, EvalSetNotFound
from app.evals.sets.reading import digest, read_set
from app.evals.tables import EvalSet
from app.evals.types import Progress
from app.jobs.identity import new_worker_id
from app.services import Services


class RunStopped(AppError):
    """A run ended without measures; the error that stopped it is passed on."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body.cause, next_step=body.next_step, **body.details)
        self.code = body.code  # type: ignore[misc]
        self.stage = body.stage  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked for on the command line."""

    set_name: str
    kind: str
    docs: Path | None
    configuration: str | None
    limit: int | None
    tag: str | None
    judge: str | None = None


def run_over_set(
    services: Services, request: RunRequest, progress: Progress, tell: Callable[[str], None]
) -> EvalRunOut:
    """The finished run. Ctrl-C leaves it interrupted, to be resumed. Raises RunStopped when it failed."""
    kinds = get_args(SetKind)
    if request.kind not in kinds:
        raise InvalidRequest(
            f"{request.kind!r} is no kind of run; there are {', '.join(kinds)}.", field="kind"
        )
    collection_id = None if request.docs is None else sync_folder(services, request.docs, tell)
    holder = new_worker_id()
    with services.sessions.begin() as session:
        user = local_account(session)
        row = _set(session, user, request.set_name, tell)
        body = RunStart.model_validate(
            {
                "set_id": row.id,
                "kind": request.kind,
                "configuration": request.configuration,
                "limit": request.limit,
                "tag": request.tag,
                "judge": request.judge,
            }
        )
        run = service.start(services, session, user, body)
        if collection_id is not None:
            run.config = {**run.config, "collection_id": collection_id}
        session.flush()
        repository.take(session, run.id, holder)
    try:
        execute(services, run.id, holder, lambda: False, progress, lambda: None)
    except KeyboardInterrupt:
        with services.sessions.begin() as session:
            repository.finish(session, run.id, holder, "interrupted", error=repository.INTERRUPTED)
        raise
    return _finished(services, run.id)


def broken_rules(services: Services, gate: Gate, run: EvalRunOut) -> list[str]:
    """The gate's rules that the run breaks; raises EvalRunNotFound for a run that a rule names in vain."""

    def measures_of_run(run_id: int) -> Mapping[str, Any]:
        with services.sessions() as session:
            return stored.get(session, local_account(session), run_id).metrics or {}

    return violations(gate, run.metrics or {}, measures_of_run)


def _set(session: Session, user: Account, name: str, tell: Callable[[str], None]) -> EvalSet:
    """By name or id; else a file or BEIR folder, which becomes the set of its name."""
    row = sets.get_set_by_name(session, user.id, name)
    if row is not None:
        if Path(name).exists():
            _follow_file(session, row, tell)
        return row
    if name.isdecimal() and (row := sets.get_set(session, user.id, int(name))) is not None:
        return row
    if not Path(name).exists():
        raise EvalSetNotFound(f"There is no eval set {name!r}, and no file of that name.")
    sha256 = digest(Path(name))
    row = sets_service.create_read(session, user, name, None, read_set([Path(name)]))
    row.file_sha256 = sha256
    return row


def _follow_file(session: Session, row: EvalSet, tell: Callable[[str], None]) -> None:
    """Reads the file of the set again if it changed. The set keeps its id, so that its runs can be compared.

    Raises EvalSetEdited when that would undo what people did to the questions.
    """
    sets.hold(session, row)
    if row.file_sha256 is None:
        tell(f"{row.name} is an eval set and is run as it is: nothing says that it was read from that file.")
        return
    sha256 = digest(Path(row.name))
    if sha256 == row.file_sha256:
        return
    if row.edited:
        raise EvalSetEdited(
            f"{row.name} has changed, but questions of its eval set were changed, added or removed as well.",
            next_step="Run the file under another name, which makes another set, or delete the set first. "
            f"The set as it is runs by its id: footnote eval run {row.id}.",
            set_id=row.id,
        )
    read = read_set([Path(row.name)])
    sets.clear_set(session, row)
    sets_service.add_cases(session, row, read.cases, "file")
    sets.add_corpus(session, row, read.corpus)
    row.file_sha256 = sha256
    tell(f"{row.name} has changed: its eval set is read again.")


def _finished(services: Services, run_id: int) -> EvalRunOut:
    with services.sessions() as session:
        run = stored.get(session, local_account(session), run_id)
    if run.status != "done":
        raise RunStopped(run.error or ErrorBody.model_validate(repository.INTERRUPTED))
    return run
