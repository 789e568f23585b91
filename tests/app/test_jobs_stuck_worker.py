"""A stage that hangs or swells in the worker's own process: the job says why, the process is replaced."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from app.accounts.types import Account
from app.db import Sessions, create_engine, make_sessions, migrate
from app.documents.blobs import BlobStore
from app.jobs.worker import GIVEN_UP
from app.tables import ChunkRow, Document, Job
from tests.app.factories import upload

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import re, sys, threading, time
from dataclasses import replace
from app.db import create_engine
from app.jobs import lease
from app.documents.blobs import BlobStore
from app.jobs.worker import run_worker
from app.settings import load_settings
from tests.fakes import fake_ingest_models, hash_encode

data_dir, url, deed = sys.argv[1:]
swollen = []

def encode(texts):
    if deed == "swell":
        swollen.append(b"x" * (700 * 1024**2))
    if deed == "seize":
        re.match(r"(a+)+$", "a" * 60 + "b")  # for years, and no other thread runs meanwhile
    time.sleep(60 if deed != "work" else 0)
    return hash_encode(texts)

lease.SEIZED_GRACE_S = 1.0
settings = load_settings(
    {}, data_dir=data_dir, stage_timeout_s=60.0 if deed == "swell" else 2.0, parse_timeout_s=1.0,
    max_attempts=1,
    worker_memory_bytes=(512 if deed == "swell" else 4096) * 1024**2,
)
run_worker(settings, create_engine(url), BlobStore(settings.data_dir / "blobs"),
           replace(fake_ingest_models(), encode=encode), stop=threading.Event(), may_exit=True,
           until_idle=deed == "work")
"""


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    return url


@pytest.mark.parametrize(("deed", "code"), [("hang", "stage_timeout"), ("swell", "worker_memory")])
def test_the_job_is_given_up_with_its_reason(
    tmp_path: Path, database_url: str, sessions: Sessions, user: Account, deed: str, code: str
) -> None:
    upload(sessions, BlobStore(tmp_path / "blobs"), user, b"Everyone has leave.")
    command = [sys.executable, "-c", WORKER, str(tmp_path), database_url, deed]
    assert subprocess.run(command, cwd=ROOT, timeout=50, check=False).returncode == GIVEN_UP
    with make_sessions(create_engine(database_url))() as session:
        document, job = session.execute(select(Document, Job).join(Job)).one()
        assert (document.status, job.status) == ("failed", "dead")
        assert (document.error["code"], document.error["stage"]) == (code, "embed")
        assert session.scalars(select(ChunkRow)).all() == []


def test_a_stage_that_lets_no_other_thread_run_is_ended_by_the_kernel(
    tmp_path: Path, database_url: str, sessions: Sessions, user: Account
) -> None:
    """Neither heartbeat nor watchdog get their turn; the next worker finds the job of a dead one."""
    upload(sessions, BlobStore(tmp_path / "blobs"), user, b"Everyone has leave.")
    command = [sys.executable, "-c", WORKER, str(tmp_path), database_url]
    seized = subprocess.run([*command, "seize"], cwd=ROOT, timeout=50, check=False)
    assert seized.returncode == -signal.SIGALRM
    with sessions() as session:
        assert session.scalars(select(Job.status)).all() == ["running"]
    subprocess.run([*command, "work"], cwd=ROOT, timeout=50, check=True)
    with sessions() as session:
        document = session.scalars(select(Document)).one()
    assert (document.status, document.error["code"]) == ("failed", "worker_lost")  # type: ignore[index]


COMMAND = """
import sys, time
from dataclasses import replace
from pathlib import Path
from app.documents.local import ingest_paths
from app.services import assemble_services
from app.settings import load_settings
from tests.fakes import fake_ingest_models, fake_models, hash_encode

data_dir, source, hangs = sys.argv[1:]

def encode(texts):
    if hangs == "hangs":
        time.sleep(60)
    return hash_encode(texts)

settings = load_settings(
    {}, data_dir=data_dir, stage_timeout_s=2.0, parse_timeout_s=1.0, retry_backoff_s=0.1,
    worker_memory_bytes=512 * 1024**2,
)
models = replace(fake_models(), ingest=replace(fake_ingest_models(), encode=encode))
services = replace(assemble_services(settings, models), alone=True)
ballast = b"x" * (600 * 1024**2)  # a command holds more than a worker: its size ends nothing
rows = ingest_paths(services, [Path(source)], "Default", lambda line: None)
print(rows[0]["status"])
services.close()
"""


def test_a_command_that_hangs_ends_with_the_reason_and_another_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Everyone has leave.")
    command = [sys.executable, "-c", COMMAND, str(tmp_path / "data"), str(tmp_path / "a.txt")]
    hung = subprocess.run(
        [*command, "hangs"], cwd=ROOT, timeout=50, check=False, capture_output=True, text=True
    )
    assert hung.returncode == GIVEN_UP, hung.stderr
    assert "Nothing happened for" in hung.stderr
    with make_sessions(create_engine(f"sqlite:///{tmp_path / 'data' / 'footnote.db'}"))() as session:
        document, job = session.execute(select(Document, Job).join(Job)).one()
        assert (document.status, job.status, job.error["code"]) == ("queued", "queued", "stage_timeout")
    again = subprocess.run(
        [*command, "works"], cwd=ROOT, timeout=50, check=True, capture_output=True, text=True
    )
    assert again.stdout.strip() == "duplicate"
    with make_sessions(create_engine(f"sqlite:///{tmp_path / 'data' / 'footnote.db'}"))() as session:
        assert session.scalars(select(Document.status)).all() == ["ready"]
