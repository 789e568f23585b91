"""Reading without the HTTP API: long lists of files, and other workers at the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.accounts.types import Account
from app.db import Sessions
from app.documents import local, repository
from app.documents.blobs import BlobStore
from app.documents.local import ingest_paths, run_jobs, submit
from app.jobs.queue import JobQueue, RetryPolicy
from app.services import Services
from tests.app.factories import ingested, upload

FILES = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:02}.txt").write_text(f"Rule {number} of the house.")
    return folder


@pytest.fixture
def asked(services: Services) -> Iterator[list[int]]:
    """How many parameters each look for a job had."""
    counts: list[int] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT jobs."):
            counts.append(len(parameters))

    event.listen(services.engine, "before_cursor_execute", note)
    yield counts
    event.remove(services.engine, "before_cursor_execute", note)


def test_of_many_files_a_few_are_asked_for_at_once(
    services: Services, folder: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "DOCUMENTS_A_PART", 3)
    rows = ingest_paths(services, [folder], "Default", lambda _: None)
    assert [row["status"] for row in rows] == ["ready"] * FILES
    assert asked
    assert max(asked) < FILES


def test_what_another_worker_has_holds_up_nothing_else(
    services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "DOCUMENTS_A_PART", 1)
    outcomes = [submit(services, "Default", folder / f"0{number}.txt", f"{number}.txt") for number in (0, 1)]
    other = JobQueue(services.sessions, "elsewhere|1|0.00|a", RetryPolicy(30, 3, 0))
    theirs = other.take_next([outcomes[0].document_id or 0])
    assert theirs is not None
    begun: list[str] = []

    def tell(line: str) -> None:
        if not begun:  # the second file is read, and meanwhile the first one becomes ready
            other.complete(theirs, ingested(["Rule 0"]), services.models.ingest.encoder_id)
        begun.append(line)

    run_jobs(services, [outcome.document_id or 0 for outcome in outcomes], tell)
    assert begun[0].startswith("1.txt")
    with services.sessions() as session:
        found = repository.list_by_ids(session, [outcome.document_id or 0 for outcome in outcomes])
    assert [row.status for row in found] == ["ready", "ready"]


def test_more_documents_can_be_looked_up_than_a_statement_takes_parameters(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    ids = [upload(sessions, blobs, user, b"%d" % number).document_id for number in range(2)]
    with sessions() as session:
        found = repository.list_by_ids(session, range(300_000))
    assert [row.id for row in found] == ids
