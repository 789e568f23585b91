"""A worker process killed with SIGKILL at every stage: no chunk is lost, none is doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app.accounts.types import Account
from app.db import Sessions
from app.documents.blobs import BlobStore
from app.documents.index_sync import catch_up
from app.jobs.worker import run_worker
from app.tables import ChunkRow, Document, IndexChangeRow, Job, VectorRow
from retrieval.index_store import IndexStore
from tests.app.factories import upload
from tests.app.worker_process import worker_settings
from tests.fakes import DIMENSION, fake_ingest_models

ROOT = Path(__file__).resolve().parents[2]
TEXT = "\n\n".join(f"## Section {n}\n\nParagraph {n} tells about topic {n * 7}." for n in range(12))
PATIENCE_S = 120.0


def start(data_dir: Path, url: str, stage: str, mark: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.app.worker_process", str(data_dir), url, stage, str(mark)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
    )


def wait_for(mark: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not mark.exists():
        assert process.poll() is None, "the worker ended before it reached the stage"
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGABRT)  # prints where it hangs
            process.wait()
            pytest.fail("the worker never reached the stage")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("database_url", "stage"),
    [
        ("sqlite", "embed"),
        ("sqlite", "commit"),
        *(pytest.param("sqlite", stage, marks=pytest.mark.slow) for stage in ("parse", "chunk", "index")),
        *(
            pytest.param("postgres", stage, marks=[pytest.mark.postgres, pytest.mark.slow])
            for stage in ("embed", "commit")
        ),
    ],
    indirect=["database_url"],
)
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    stage: str, tmp_path: Path, database_url: str, engine: Engine, sessions: Sessions, user: Account
) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    names = ["first.md", "second.md"]
    for name in names:
        upload(sessions, blobs, user, f"# {name}\n\n{TEXT}".encode(), file_name=name)
    victim = start(tmp_path, database_url, stage, tmp_path / "mark")
    try:
        wait_for(tmp_path / "mark", victim)
    finally:
        victim.kill()
        victim.wait()
    with sessions() as session:
        assert session.scalars(select(ChunkRow)).all() == []
        statuses = session.scalars(select(Job.status).order_by(Job.id)).all()
    assert statuses == ["running", "queued"]

    restarted = threading.Event()
    settings = worker_settings(tmp_path)
    run_worker(settings, engine, blobs, fake_ingest_models(), stop=restarted, until_idle=True)

    _assert_whole(sessions, names)
    _assert_index_agrees(sessions, tmp_path / "index")


def _assert_whole(sessions: Sessions, names: list[str]) -> None:
    with sessions() as session:
        documents = session.scalars(select(Document).order_by(Document.id)).all()
        assert [(d.file_name, d.status) for d in documents] == [(name, "ready") for name in names]
        for document in documents:
            chunks = session.scalars(select(ChunkRow).where(ChunkRow.document_id == document.id)).all()
            assert document.chunk_count == len(chunks) > 1
            assert sorted(chunk.position for chunk in chunks) == list(range(len(chunks)))
            assert len({chunk.text for chunk in chunks}) == len(chunks)
        chunk_ids = set(session.scalars(select(ChunkRow.id)))
        assert set(session.scalars(select(VectorRow.chunk_id))) == chunk_ids
        changes = session.execute(select(IndexChangeRow.action, IndexChangeRow.document_id)).all()
        assert sorted(changes) == [("add", document.id) for document in documents]
        assert set(session.scalars(select(Job.status))) == {"done"}


def _assert_index_agrees(sessions: Sessions, folder: Path) -> None:
    with IndexStore.open(folder, encoder_id="hash-64", dimension=DIMENSION) as index, sessions() as session:
        catch_up(session, index)
        sql_ids = frozenset(session.scalars(select(ChunkRow.id)))
        assert index.chunk_ids() == {"dense": sql_ids, "bm25": sql_ids}


@pytest.mark.slow
def test_two_workers_share_the_queue_without_doing_anything_twice(
    tmp_path: Path, database_url: str, sessions: Sessions, user: Account
) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    names = [f"{n}.md" for n in range(6)]
    for name in names:
        upload(sessions, blobs, user, f"# {name}\n\n{TEXT}".encode(), file_name=name)
    workers = [start(tmp_path, database_url, "none", tmp_path / "unused") for _ in range(2)]
    assert [worker.wait(PATIENCE_S) for worker in workers] == [0, 0]
    _assert_whole(sessions, names)
