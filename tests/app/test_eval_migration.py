"""Runs and sets of earlier releases survive the migrations that give them more columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, select, text

from app.db import _alembic_config, create_engine, make_sessions, migrate
from app.evals.tables import EvalSet
from app.migrations.versions import m0004_eval_sets as eval_sets
from app.migrations.versions import m0014_eval_set_files as eval_set_files
from app.tables import EvalRun

RUN = "INSERT INTO eval_runs (owner_id, kind, name, status, config, created_at) VALUES (1, 'claims', 'c', 'done', '{}', '2026-01-01')"  # noqa: E501
SET = "INSERT INTO eval_sets (owner_id, name, created_at, updated_at) VALUES (1, 'q.csv', '2026-01-01', '2026-01-01')"  # noqa: E501


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'old.db'}"
    url: str = request.getfixturevalue("postgres_url")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


def fill(engine: Engine, revision: str, row: str) -> None:
    """A database of an earlier release with one row."""
    with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(text(row))


def test_a_stored_run_gets_what_it_lacks(empty_url: str) -> None:
    engine = create_engine(empty_url)
    fill(engine, eval_sets.down_revision, RUN)
    migrate(empty_url)
    with make_sessions(engine)() as session:
        run = session.scalars(select(EvalRun)).one()
        assert (run.done, run.total, run.cancel_requested, run.set_id) == (0, 0, False, None)
    engine.dispose()


def test_a_stored_set_is_of_no_file_that_is_known(empty_url: str) -> None:
    engine = create_engine(empty_url)
    fill(engine, eval_set_files.down_revision, SET)
    migrate(empty_url)
    with make_sessions(engine)() as session:
        row = session.scalars(select(EvalSet)).one()
        assert (row.name, row.file_sha256, row.edited) == ("q.csv", None, False)
    engine.dispose()
