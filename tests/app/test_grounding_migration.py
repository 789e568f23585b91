"""A database with answers of the version before is taken along: on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from alembic import command
from sqlalchemy import Engine, MetaData, insert, select

from app.answers.repository import citations_of, list_latest
from app.answers.views import answer_out
from app.db import _alembic_config, create_engine, make_sessions, migrate

BEFORE = "0005"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
PASSAGE: dict[str, Any] = {
    "chunk_id": 5,
    "document_id": 7,
    "document_version": 1,
    "file_name": "a.txt",
    "page": None,
    "headings": [],
    "start": 0,
    "end": 4,
    "text": "Dogs",
    "score": 0.9,
}


def start_again(engine: Engine, revision: str) -> None:
    """An empty database, brought to a revision of the past."""
    there = MetaData()
    there.reflect(engine)
    there.drop_all(engine)
    with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def add_answers(engine: Engine) -> None:
    """An answer that cites the second of two passages, and a refusal."""
    past = MetaData()
    past.reflect(engine)
    tables = past.tables
    with engine.begin() as connection:
        owner = connection.execute(select(tables["users"].c.id)).scalar_one()
        shared = {"owner_id": owner, "created_at": NOW}
        talk = {**shared, "id": 1, "title": "Dogs", "updated_at": NOW}
        connection.execute(insert(tables["conversations"]), [talk])
        sources = [PASSAGE | {"number": 1}, PASSAGE | {"number": 2, "chunk_id": 6}]
        asked = {**shared, "conversation_id": 1, "question": "Dogs?", "sources": sources}
        answered = {**asked, "id": 1, "state": "answered", "answer": "Free [2]"}
        refused = {**asked, "id": 2, "state": "refused", "answer": ""}
        connection.execute(insert(tables["messages"]), [answered, refused])
        cited = {name: PASSAGE[name] for name in ("document_id", "document_version", "file_name", "text")}
        place = {"number": 2, "chunk_id": 6, "claim_start": 0, "claim_end": 8, "start": 0, "end": 4}
        said = {"verdict": "supported", "score": 0.9, "placed_by": "model"}
        row = {"owner_id": owner, "message_id": 1, **cited, **place, **said}
        connection.execute(insert(tables["citations"]), [row])


def test_answers_of_the_version_before_are_shown_and_filtered(database_url: str) -> None:
    engine = create_engine(database_url)
    start_again(engine, BEFORE)
    add_answers(engine)
    migrate(database_url)
    with make_sessions(engine)() as session:
        (refused,) = list_latest(session, 1, "refused", 10)
        answered = list_latest(session, 1, None, 10)[-1]
        shown = answer_out(answered, citations_of(session, [answered.id])[answered.id])
    engine.dispose()
    assert refused.state == "refused"
    assert ([s.number for s in shown.sources], [s.number for s in shown.also_retrieved]) == ([2], [1])
    assert (shown.grounding, shown.coverage, shown.citations[0].boxes) == (None, None, [])
    assert shown.weak_evidence is False
