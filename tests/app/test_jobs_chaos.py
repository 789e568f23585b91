"""`kill -9` of API, workers and parsers at random and at each stage: 0 lost, 0 doubled, 0 orphans.

Every document ends ready, or failed with a reason; what was deleted stays deleted; what was killed in every
one of its tries is made ready by a retry in peace. `make chaos` kills 200 times.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select

from app.db import Sessions, create_engine, make_sessions
from app.doctor import check
from app.services import assemble_services
from app.tables import ChunkRow, Document, DocumentVersion, IndexChangeRow, Job, VectorRow
from ingest.types import Stage
from tests.app.chaos import DOCUMENTS_AT_WORK, PATIENCE_S, Client, Crew, chaos_settings, crew, document
from tests.fakes import fake_models

STAGES: tuple[Stage, ...] = ("stored", "parse", "chunk", "embed", "index")
WORK_WAIT_S = 10.0  # for work to be killed in
KILLED = {"worker_lost", "parse_crashed"}  # what a document says whose every try was killed
MOST_WORN_OUT = 0.05  # of the documents: killed in every try, which is a matter of luck and of a slow machine
STAGE_WAIT_S = 2.0  # for a job to be in the stage that is to be hit


class Person(threading.Thread):
    """Uploads all the time; now and then deletes, stops, retries or replaces something."""

    def __init__(self, client: Client, seed: int) -> None:
        super().__init__(daemon=True)
        self.sent = 0  # files, counted from 0
        self.uploaded: dict[int, int] = {}  # id of the document to the number of its newest file
        self.replaced = 0
        self.deleted: set[int] = set()
        self.failure: Exception | None = None
        self.finish = threading.Event()
        self._client = client
        self._random = random.Random(seed)

    def run(self) -> None:
        try:
            while not self.finish.is_set():
                self._act()
                time.sleep(0.01)
        except Exception as error:  # noqa: BLE001  # shown by the test, in its own thread
            self.failure = error

    def _act(self) -> None:
        there = self._client.statuses()
        waiting = [document_id for document_id, row in there.items() if _is_busy(row)]
        if len(waiting) < DOCUMENTS_AT_WORK:
            if there and self._random.random() < 0.2:
                self._replace(self._random.choice(list(there)))
            else:
                self.uploaded[self._client.upload(self.sent)] = self.sent
                self.sent += 1
        elif self._random.random() < 0.1:
            self._disturb(self._random.choice(waiting))

    def _replace(self, document_id: int) -> None:
        """A new version, whatever becomes of the one before; never of a damaged file."""
        self.sent += is_damaged(self.sent)
        assert self._client.upload(self.sent, document_id) == document_id
        self.uploaded[document_id] = self.sent
        self.sent += 1
        self.replaced += 1

    def _disturb(self, document_id: int) -> None:
        deed = self._random.choice(["delete", "cancel and retry"])
        if deed == "delete":
            self.deleted.add(document_id)
            assert self._client.send("DELETE", f"/v1/documents/{document_id}").status_code in {204, 404}
            return
        self._client.send("POST", f"/v1/documents/{document_id}/cancel")
        self._client.send("POST", f"/v1/documents/{document_id}/retry")  # 409 if it became ready before


def _is_busy(row: dict[str, object]) -> bool:
    return row["status"] in {"queued", "processing"}


def kill_at_stage(running: Crew, sessions: Sessions, stage: Stage) -> bool:
    """Kills the worker whose job is in this stage; False when none came there in time."""
    give_up = time.monotonic() + STAGE_WAIT_S
    while time.monotonic() < give_up:
        with sessions() as session:
            statement = select(Job.leased_by).where(Job.status == "running", Job.stage == stage).limit(1)
            holder = session.scalar(statement)
        if holder is not None:
            return running.kill_worker(stage, int(holder.split("|")[1]))
    return False


def wait_for_work(sessions: Sessions) -> None:
    """A kill of an idle service proves nothing."""
    give_up = time.monotonic() + WORK_WAIT_S
    while time.monotonic() < give_up:
        with sessions() as session:
            if session.scalar(select(Job.id).where(Job.status == "running").limit(1)) is not None:
                return
        time.sleep(0.01)


def one_kill(running: Crew, sessions: Sessions, chosen: random.Random) -> bool:
    wait_for_work(sessions)
    time.sleep(chosen.uniform(0.0, 0.3))
    deeds: list[Callable[[], bool]] = [
        running.kill_api,
        lambda: running.kill_worker("random"),
        running.kill_parser,
        lambda: kill_at_stage(running, sessions, chosen.choice(STAGES)),
        lambda: kill_at_stage(running, sessions, chosen.choice(STAGES)),
    ]
    return chosen.choice(deeds)()


@pytest.mark.parametrize(
    "kills",
    [6, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def test_whatever_is_killed_nothing_is_lost_doubled_or_orphaned(
    kills: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    with crew(tmp_path) as running, Client(running.port) as browser, Client(running.port) as client:
        engine = create_engine(chaos_settings(tmp_path).resolved_database_url)
        person = Person(browser, seed)
        person.start()
        while running.kills.total() < kills:
            one_kill(running, make_sessions(engine), chosen)
            assert person.failure is None, person.failure
        person.finish.set()
        person.join(PATIENCE_S)
        begin_at_once(client)
        rows = with_another_try(client, person, wait_until_done(client))
        engine.dispose()
        assert_only_idle_servers_are_left(running)
    wait_for(lambda: not parents_of_parsers(running))  # whoever was killed last as well
    print(
        f"{dict(running.kills)}; {len(person.uploaded)} documents, {len(person.deleted)} deleted, "
        f"{person.replaced} new versions"
    )
    assert_each_ended_well(person, rows)
    assert_rows_are_whole(tmp_path, rows)


def begin_at_once(client: Client) -> None:
    """What was killed a dozen times waits for minutes until its next try: pauses double."""
    for document_id, row in client.statuses().items():
        if row["status"] == "queued":
            answer = client.send("POST", f"/v1/documents/{document_id}/retry")
            assert answer.is_success or answer.status_code == 409, answer.text  # it is ready by now


def wait_until_done(client: Client) -> dict[int, dict[str, object]]:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        rows = client.statuses()
        busy = [row for row in rows.values() if _is_busy(row)]
        if not busy:
            return rows
        assert time.monotonic() < give_up, busy
        time.sleep(0.1)


def with_another_try(
    client: Client, person: Person, rows: dict[int, dict[str, object]]
) -> dict[int, dict[str, object]]:
    """Good files that were killed in each of their tries say so, and a retry in peace makes them ready."""
    worn_out = [
        document_id
        for document_id, row in rows.items()
        if row["status"] == "failed" and not is_damaged(person.uploaded[document_id])
    ]
    assert len(worn_out) <= len(rows) * MOST_WORN_OUT, [rows[document_id] for document_id in worn_out]
    for document_id in worn_out:
        print(f"retried: {rows[document_id]['error']}")
        assert rows[document_id]["error"]["code"] in KILLED  # type: ignore[index]
        assert client.send("POST", f"/v1/documents/{document_id}/retry").is_success
    return wait_until_done(client)


def is_damaged(number: int) -> bool:
    return number % 11 == 10


def parents_of_parsers(running: Crew) -> set[int]:
    """Of fork servers of the crew, whose owners may be dead, and of their children: one command line."""
    found = set()
    for process in psutil.process_iter(["cmdline", "ppid"]):
        command = process.info["cmdline"] or []
        if command[2:4] == ["-m", "ingest.fork_server"] and int(command[-1]) in running.owners:
            found.add(process.info["ppid"])
    return found


def assert_only_idle_servers_are_left(running: Crew) -> None:
    """No child, and no server whose owner was killed."""
    alive = {process.pid for process in (*running.workers, running.api) if process is not None}
    wait_for(lambda: parents_of_parsers(running) <= alive)


def wait_for(condition: Callable[[], bool]) -> None:
    """Ends of processes are told a moment after they happened."""
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def assert_each_ended_well(person: Person, rows: dict[int, dict[str, object]]) -> None:
    """Good files are ready, damaged ones say why, deleted ones are gone, and there is nothing else."""
    assert person.failure is None
    assert set(rows) == set(person.uploaded) - person.deleted
    for document_id, number in person.uploaded.items():
        if document_id in person.deleted:
            continue
        row = rows[document_id]
        assert row["file_name"] == document(number)[0]
        if is_damaged(number):
            assert row["status"] == "failed"
            assert row["error"]["code"] and row["error"]["cause"]  # type: ignore[index]  # noqa: PT018
        else:
            assert row["status"] == "ready", row


def assert_rows_are_whole(data_dir: Path, rows: dict[int, dict[str, object]]) -> None:
    services = assemble_services(chaos_settings(data_dir), fake_models())
    try:
        report = check(services)
        assert report.ok, report.text()
        with services.sessions() as session:
            chunks = session.execute(select(ChunkRow.document_id, ChunkRow.position, ChunkRow.id)).all()
            vectors = set(session.scalars(select(VectorRow.chunk_id)))
            added = session.execute(
                select(IndexChangeRow.document_id, func.count())
                .where(IndexChangeRow.action == "add")
                .group_by(IndexChangeRow.document_id)
            ).all()
            read = session.execute(
                select(DocumentVersion.document_id, func.count())
                .where(DocumentVersion.ready_at.is_not(None))
                .group_by(DocumentVersion.document_id)
            ).all()
            unfinished = session.scalars(select(Job.id).where(Job.status.in_(("queued", "running")))).all()
            ready = {
                each.id: each.chunk_count
                for each in session.scalars(select(Document).where(Document.deleted_at.is_(None)))
                if each.status == "ready"
            }
    finally:
        services.close()
    assert vectors == {chunk_id for _, _, chunk_id in chunks}
    positions: dict[int, list[int]] = {}
    for document_id, position, _ in chunks:
        positions.setdefault(document_id, []).append(position)
    assert {key: sorted(value) for key, value in positions.items()} == {
        document_id: list(range(count or 0)) for document_id, count in ready.items()
    }
    versions = {document_id: times for document_id, times in read if document_id in ready}
    assert {document_id: times for document_id, times in added if document_id in ready} == versions
    assert not unfinished
    assert not list((data_dir / "work").glob("*"))
