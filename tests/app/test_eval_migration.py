"""Runs of the first release survive the migration that gives them progress and a holder."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, text

from app.db import _alembic_config, create_engine, make_sessions, migrate
from app.migrations.versions import m0004_eval_sets as migration
from app.tables import EvalRun

RUN = "INSERT INTO eval_runs (owner_id, kind, name, status, config, created_at) VALUES (1, 'claims', 'c', 'done', '{}', '2026-01-01')"  # noqa: E501


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


def test_a_stored_run_gets_what_it_lacks(empty_url: str) -> None:
    engine = create_engine(empty_url)
    with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, migration.down_revision)
        connection.execute(text(RUN))
    migrate(empty_url)
    with make_sessions(engine)() as session:
        run = session.scalars(select(EvalRun)).one()
        assert (run.done, run.total, run.cancel_requested, run.set_id) == (0, 0, False, None)
    engine.dispose()
