"""Migrations equal the tables; transactions take turns; text is storable on both databases."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import OperationalError

from app.db import (
    Sessions,
    create_engine,
    make_sessions,
    migrate,
    normalise_url,
    schema_is_current,
    storable,
)
from app.tables import Base, Collection, User


def test_the_migrations_give_exactly_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        assert schema_is_current(connection)


def test_the_local_user_has_a_default_collection(sessions: Sessions) -> None:
    with sessions() as session:
        statement = select(User.name, Collection.name).join(Collection, Collection.owner_id == User.id)
        assert session.execute(statement).all() == [("local", "Default")]


def test_migrating_again_changes_nothing(database_url: str) -> None:
    migrate(database_url)


@pytest.mark.parametrize("attempt", range(5))  # a race: switching a new file to WAL is refused, not queued
def test_processes_that_start_together_migrate_once(tmp_path: Path, attempt: int) -> None:
    url = f"sqlite:///{tmp_path / f'fresh-{attempt}.db'}"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [url] * 4))
    engine = create_engine(url)
    with make_sessions(engine)() as session:
        assert len(session.scalars(select(User)).all()) == 1
    engine.dispose()


def test_an_empty_database_is_not_current(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'folder' / 'empty.db'}")
    with engine.connect() as connection:
        assert not schema_is_current(connection)
    engine.dispose()


def test_sqlite_is_set_up_for_many_readers_and_one_writer(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        values = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    engine.dispose()
    assert values == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 30_000}


def test_a_write_transaction_rolls_back_as_a_whole(sessions: Sessions) -> None:
    def fail_late() -> None:
        with sessions.begin() as session:
            session.add(User(name="never"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_late()
    with sessions() as session:
        assert session.scalar(select(User).where(User.name == "never")) is None


def test_writers_that_read_first_take_turns(tmp_path: Path) -> None:
    """With a deferred BEGIN most of these would fail at once with "database is locked"."""
    url = f"sqlite:///{tmp_path / 'turns.db'}"
    migrate(url)
    engine = create_engine(url)
    sessions = make_sessions(engine)
    barrier = threading.Barrier(8)

    def add_one(_: int) -> None:
        barrier.wait()
        for _ in range(5):
            with sessions.begin() as session:
                count = len(session.scalars(select(User.id)).all())
                session.add(User(name=f"user {count}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(8)))
    with sessions() as session:
        assert len(session.scalars(select(User.id)).all()) == 1 + 8 * 5
    engine.dispose()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'readers.db'}"
    migrate(url)
    engine = create_engine(url)
    sessions = make_sessions(engine)
    with sessions.begin() as writer, sessions() as reader:
        writer.add(User(name="unseen"))
        writer.flush()
        assert len(reader.scalars(select(User)).all()) == 1
    engine.dispose()


def test_a_deferred_transaction_that_writes_late_is_what_begin_protects_from(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'late.db'}"
    migrate(url)
    engine = create_engine(url)
    sessions = make_sessions(engine)
    with sessions() as late:
        late.scalars(select(User)).all()
        with sessions.begin() as other:
            other.add(User(name="first"))
        late.add(User(name="second"))
        with pytest.raises(OperationalError, match="locked"):
            late.flush()
    engine.dispose()


@pytest.mark.parametrize("url", ["postgresql://h/d", "postgresql+psycopg://h/d"])
def test_postgresql_means_psycopg_3(url: str) -> None:
    assert normalise_url(url).drivername == "postgresql+psycopg"


def test_storable_text_keeps_its_length() -> None:
    assert storable("a\0b\ud800c😀") == "a\ufffdb\ufffdc😀"


def test_storable_text_survives_both_databases(sessions: Sessions) -> None:
    name = storable("nul \0 and surrogate \udfff")
    with sessions.begin() as session:
        session.add(User(name=name))
    with sessions() as session:
        assert session.scalar(select(User.name).where(User.name == name)) == name
