"""Search in conversations, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from app.accounts.types import Account
from app.conversations.excerpt import excerpt
from app.conversations.repository import list_conversations, matching_messages
from app.db import Sessions
from app.tables import Conversation, Message

TEXTS = [
    ("Leave", "How many days of leave?", "You have 28 days."),
    ("Äpfel", "Wie viele ÄPFEL gibt es?", "Es gibt 100% mehr."),
    ("Codes", "What is part_no?", None),
]


@pytest.fixture
def titled(sessions: Sessions, user: Account) -> dict[str, int]:
    """Conversation ids by title."""
    ids = {}
    with sessions.begin() as session:
        for title, question, answer in TEXTS:
            row = Conversation(owner_id=user.id, title=title)
            session.add(row)
            session.flush()
            ids[title] = row.id
            session.add(Message(owner_id=user.id, conversation_id=row.id, question=question, answer=answer))
    return ids


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("LEAVE", {"Leave"}),
        ("28 days", {"Leave"}),
        ("äpfel gibt", {"Äpfel"}),
        ("100%", {"Äpfel"}),
        ("part_no", {"Codes"}),
        ("partxno", set()),
        ("%", {"Äpfel"}),
        ("codes", {"Codes"}),
    ],
)
def test_words_are_found_in_titles_questions_and_answers(
    sessions: Sessions, user: Account, titled: dict[str, int], words: str, found: set[str]
) -> None:
    with sessions() as session:
        assert {row.title for row in list_conversations(session, user.id, 100, words)} == found
        assert list_conversations(session, user.id + 1, 100, words) == []


def test_the_matching_message_is_known_and_replaced_ones_are_left_out(
    sessions: Sessions, user: Account, titled: dict[str, int]
) -> None:
    with sessions.begin() as session:
        matched = matching_messages(session, list(titled.values()), "days")
        assert list(matched) == [titled["Leave"]]
        matched[titled["Leave"]].replaced_by_id = 99
        session.flush()
        assert list_conversations(session, user.id, 100, "days") == []


def test_an_excerpt_is_one_line_around_the_words() -> None:
    text = "a" * 100 + " The ferry\nruns " + "b" * 100
    assert excerpt(text, "FERRY") == "…" + "a" * 55 + " The ferry runs " + "b" * 54 + "…"
    assert excerpt("short ferry", "ferry") == "short ferry"
    assert excerpt("nothing", "ferry") is None
