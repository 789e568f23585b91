"""Documents of an earlier release get their versions and their encoder, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, make_url, select, text

from app.db import _alembic_config, create_engine, make_sessions, migrate
from app.tables import Document, DocumentPage, DocumentVersion, EncoderRow
from tests.app.conftest import _admin

BEFORE_VERSIONS = "0006"
NOW = "2026-11-01 00:00:00"
DOCUMENT = (
    "INSERT INTO documents (owner_id, collection_id, file_name, sha256, size_bytes, version, status,"
    " created_at, updated_at, deleted_at)"
    f" VALUES (1, 1, 'a.txt', :sha256, 1, :version, :status, '{NOW}', '{NOW}', {{gone}})"
)
PAGE = (
    'INSERT INTO document_pages (owner_id, document_id, number, start, "end", text)'
    " VALUES (1, 1, 1, 0, 1, 'x')"
)
CHUNK = (
    'INSERT INTO chunks (owner_id, collection_id, document_id, position, start, "end", text, headings,'
    " tokens) VALUES (1, 1, 1, 0, 0, 1, 'x', '[]', 1)"
)
VECTOR = "INSERT INTO vectors (chunk_id, owner_id, encoder_id, vector) VALUES (1, 1, 'old@1', :vector)"


def test_rows_survive_the_migration(tmp_path: Path) -> None:
    check(f"sqlite:///{tmp_path / 'old.db'}")


@pytest.mark.postgres
def test_rows_survive_the_migration_on_postgres(postgres: str) -> None:
    _admin(postgres, "CREATE DATABASE earlier_release")
    check(make_url(postgres).set(database="earlier_release").render_as_string(hide_password=False))
    _admin(postgres, "DROP DATABASE earlier_release WITH (FORCE)")


def fill(connection: Connection) -> None:
    """One document that is ready in its third version, one that failed, one that was deleted."""
    rows = [(3, "ready", "NULL"), (1, "failed", "NULL"), (1, "ready", f"'{NOW}'")]
    for number, (version, status, gone) in enumerate(rows):
        values = {"sha256": str(number) * 64, "version": version, "status": status}
        connection.execute(text(DOCUMENT.format(gone=gone)), values)
    connection.execute(text(PAGE))
    connection.execute(text(CHUNK))
    connection.execute(text(VECTOR), {"vector": bytes(256)})


def check(url: str) -> None:
    engine = create_engine(url)
    with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE_VERSIONS)
        fill(connection)
    migrate(url)
    version = (DocumentVersion.document_id, DocumentVersion.number, DocumentVersion.state)
    with make_sessions(engine)() as session:
        assert sorted(session.execute(select(*version)).all()) == [(1, 3, "current"), (2, 1, "pending")]
        ready = select(Document.ready_version).order_by(Document.id)
        assert session.scalars(ready).all() == [3, None, None]
        assert session.scalars(select(DocumentPage.version)).all() == [3]
        assert session.execute(select(EncoderRow.id, EncoderRow.dimension)).all() == [("old@1", 64)]
    engine.dispose()
