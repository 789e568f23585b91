"""A database with answers of the version before is taken along: on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from alembic import command
from fastapi.encoders import jsonable_encoder
from sqlalchemy import text

from app.answers.repository import citations_of, list_latest
from app.answers.views import answer_out
from app.db import Sessions, _alembic_config, create_engine, make_sessions, migrate
from app.tables import CitationRow, Conversation, Message, User

BEFORE = "0005"
PASSAGE: dict[str, Any] = {
    "chunk_id": 5, "document_id": 7, "document_version": 1, "file_name": "a.txt", "page": None,
    "headings": [], "start": 0, "end": 4, "text": "Dogs", "score": 0.9,
}  # fmt: skip


def add_answers(sessions: Sessions) -> None:
    with sessions.begin() as session:
        owner = session.query(User).one().id
        talk = Conversation(owner_id=owner, title="Dogs")
        session.add(talk)
        session.flush()
        sources = [PASSAGE | {"number": 1}, PASSAGE | {"number": 2, "chunk_id": 6}]
        shared = {"owner_id": owner, "conversation_id": talk.id, "question": "Dogs?", "sources": sources}
        answered = Message(**shared, state="answered", answer="Free [2]")
        session.add_all([answered, Message(**shared, state="refused", answer="")])
        session.flush()
        cited = {name: PASSAGE[name] for name in ("document_id", "document_version", "file_name", "text")}
        session.add(
            CitationRow(
                owner_id=owner,
                message_id=answered.id,
                number=2,
                claim_start=0,
                claim_end=8,
                chunk_id=6,
                start=0,
                end=4,
                verdict="supported",
                score=0.9,
                placed_by="model",
                **cited,
            )
        )


def test_answers_of_the_version_before_are_shown_and_filtered(database_url: str) -> None:
    engine = create_engine(database_url)
    sessions = make_sessions(engine)
    add_answers(sessions)
    with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
    migrate(database_url)
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM messages")).scalar() == 2
        (refused,) = list_latest(session, 1, "refused", 10)
        answered = list_latest(session, 1, None, 10)[-1]
        shown = answer_out(answered, citations_of(session, [answered.id])[answered.id])
    engine.dispose()
    assert refused.state == "refused"
    assert ([s.number for s in shown.sources], [s.number for s in shown.also_retrieved]) == ([2], [1])
    assert (shown.grounding, shown.coverage, shown.citations[0].boxes) == (None, None, [])
    assert jsonable_encoder(shown)["weak_evidence"] is False
