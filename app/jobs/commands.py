"""`footnote jobs`: what is being read, and stopping or retrying it from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.accounts.types import Account
    from app.jobs.schemas import ListedJob
    from app.schemas import ResponseModel

jobs_app = typer.Typer(no_args_is_help=True)

DocumentId = Annotated[int, typer.Argument(min=1, metavar="DOCUMENT_ID", help="As shown by `list`.")]
Limit = Annotated[int, typer.Option(min=1, help="Most jobs to show.")]
Password = Annotated[str | None, typer.Option(help="Of a protected PDF; - asks for it.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


@jobs_app.command("list")
def list_jobs(limit: Limit = 30, as_json: JsonFlag = False) -> None:
    """Jobs at work and waiting first, then the newest, with stages, time left and reason of failure."""
    from app.jobs import repository
    from app.jobs.schemas import JobList, ListedJob

    with _session() as (session, user):
        rows = [ListedJob.of(*row) for row in repository.list_newest(session, user.id, limit)]
    for row in rows:
        typer.echo(line(row))
    if as_json:
        typer.echo(JobList(items=rows).model_dump_json())


@jobs_app.command()
def cancel(document_id: DocumentId, as_json: JsonFlag = False) -> None:
    """Stop the reading of a document; it stays, and can be retried or deleted."""
    from app.documents import service

    _act(document_id, service.cancel, as_json)


@jobs_app.command()
def retry(document_id: DocumentId, password: Password = None, as_json: JsonFlag = False) -> None:
    """Read a document from now on that failed, waits, or hangs; it stays the same document."""
    from app.documents import service

    _act(document_id, partial(service.retry, password=asked_for(password)), as_json)


def asked_for(password: str | None) -> str | None:
    """The password as given, or typed unseen where `-` stands for it: a command line is no secret."""
    return typer.prompt("Password", hide_input=True) if password == "-" else password


def line(job: ListedJob) -> str:
    """One job for a person."""
    from app.jobs.wording import stages_text

    head = f"{job.document_id:>6} {job.status:8} {job.file_name}"
    if job.error is not None and job.status in {"dead", "queued"}:
        page = "" if job.error.page is None else f" page {job.error.page}:"
        return f"{head}:{page} {job.error.cause} {job.error.next_step}  [{job.error.code}]"
    if job.status == "running":
        return f"{head}: {stages_text(job.stages or (), job.seconds_left)}"
    return head


def _act(document_id: int, action: Callable[[Session, Account, int], ResponseModel], as_json: bool) -> None:
    with _session() as (session, user):
        result = action(session, user, document_id).model_dump()
    typer.echo(
        json.dumps(result) if as_json else ", ".join(f"{key} {value}" for key, value in result.items())
    )


@contextmanager
def _session() -> Iterator[tuple[Session, Account]]:
    """A write transaction on the configured database and the one local user; no model is loaded."""
    from app.accounts.service import local_account
    from app.cli import configured
    from app.db import create_engine, make_sessions, migrate

    url = configured().resolved_database_url
    migrate(url)
    engine = create_engine(url)
    try:
        with make_sessions(engine).begin() as session:
            yield session, local_account(session)
    finally:
        engine.dispose()
