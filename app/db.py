"""Database engine, transactions and migrations for SQLite and PostgreSQL.

`sessions()` is for reading, `sessions.begin()` for writing: the latter takes SQLite's single writer lock
when it starts. A SQLite transaction that reads first and writes later can fail at once with "database is
locked" instead of waiting its turn, so a transaction that may write says so at its beginning.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session, sessionmaker

BUSY_TIMEOUT_MS = 30_000
POOL_SIZE = 20
POOL_OVERFLOW = 40  # the thread pool of the API has 40 threads, some hold two connections
MIGRATIONS = Path(__file__).parent / "migrations"


class WriteLock(IntEnum):
    """PostgreSQL advisory locks; SQLite needs none, its writers already take turns."""

    MIGRATION = 0x464E_0001
    INDEX_LOG = 0x464E_0002  # ids of `index_changes` must follow commit order
    REINDEX = 0x464E_0004  # two runs must not add the same vectors
    BLOBS = 0x464E_0003  # publishing and removing files must not interleave


class Sessions(sessionmaker[Session]):
    """A session factory whose `begin()` is a write transaction that commits at the end."""

    @contextmanager
    def begin(self) -> Iterator[Session]:
        with self() as session, session.begin():
            start_writing(session)
            yield session


def start_writing(session: Session) -> None:
    """Makes this session's next transaction a writing one; must come before its first statement."""
    session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})


def take_lock(session: Session, lock: WriteLock) -> None:
    """Serialises writers until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int(lock)})


def create_engine(url: str) -> Engine:
    """An engine with safe defaults; `postgresql://` means psycopg 3."""
    parsed = normalise_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    return sqlalchemy.create_engine(
        parsed,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_pre_ping=True,
        hide_parameters=True,  # documents' words and passwords do not belong in a log
    )


def normalise_url(url: str) -> URL:
    """Names the driver where the URL leaves it open."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def make_sessions(engine: Engine) -> Sessions:
    """Sessions whose rows stay readable after the commit."""
    return Sessions(engine, expire_on_commit=False)


def migrate(url: str) -> None:
    """Brings the schema to the newest revision; safe when several processes start at once."""
    engine = create_engine(url)
    try:
        with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": int(WriteLock.MIGRATION)})
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def schema_is_current(connection: Connection) -> bool:
    """Whether every migration has been applied."""
    head = ScriptDirectory.from_config(_alembic_config()).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head


def storable(value: str) -> str:
    """Text that both databases accept: NUL and lone surrogates become U+FFFD, the length stays."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)


def _sqlite_engine(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(
        url, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """The driver's own BEGIN comes too late for consistent reads and never for DDL: we send our own."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").close()
    _switch_to_wal(connection)
    # SQLite's own knows ASCII only; searches that ignore case must treat "Ä" as PostgreSQL does.
    connection.create_function("lower", 1, _lower, deterministic=True)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Tries until the busy timeout: of two connections that switch a new file at once one is refused."""
    give_up = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
