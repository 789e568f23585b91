"""What a person can do with turns and conversations, in Streamlit's own test runner on the fake API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.ui.fake_state import FakeState
from tests.ui.test_pages import APP, shown
from ui.asking import Asking
from ui.client import Client


@pytest.fixture
def chat(api_url: str, monkeypatch: pytest.MonkeyPatch, client: Client) -> Iterator[Callable[..., AppTest]]:
    """Opens the conversation of these questions, asked before."""
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)

    def open_(*questions: str, **query: str) -> AppTest:
        for index, question in enumerate(questions):
            list(client.ask(Asking(question), conversation_id=1 if index else None))
        app = AppTest.from_file(APP, default_timeout=20)
        for name, value in (query or {"conversation": "1"}).items():
            app.query_params[name] = value
        return app.run()

    yield open_
    st.cache_resource.clear()


def questions(state: FakeState, conversation_id: int = 1) -> list[str]:
    return [turn["question"] for turn in state.conversations[conversation_id]]


def submit(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return app.run()


def test_an_edited_question_takes_the_place_of_the_old_one_and_what_followed(chat, state: FakeState):
    app = chat("leave", "weather")
    app.button(key="edit-1").click().run()
    assert "1 later question will leave the conversation" in shown(app)

    app.text_area(key="edited-1").set_value("How many days of leave?")
    submit(app, "Ask")

    assert questions(state) == ["How many days of leave?"]
    assert not app.exception
    assert any(str(button.key).startswith("note-3") for button in app.button)


def test_editing_can_be_given_up(chat, state: FakeState):
    app = chat("leave")
    app.button(key="edit-1").click().run()
    submit(app, "Cancel")

    assert questions(state) == ["leave"]
    assert not app.text_area


def test_a_question_is_asked_again_in_its_place(chat, state: FakeState):
    app = chat("leave")
    app.button(key="again-1").click().run()

    assert questions(state) == ["leave"]
    assert state.conversations[1][0]["replaces_message_id"] == 1


def test_a_refusal_for_weak_evidence_can_be_answered_anyway_and_says_so(chat, state: FakeState):
    app = chat("weather")
    assert "employee-handbook.pdf, page 3: 0.31, 0.19 too low" in shown(app)
    assert "could not be read (damaged.pdf)" in shown(app)

    app.button(key="anyway-1").click().run()

    assert "Weak evidence: answered because you asked" in shown(app)
    assert [each["state"] for each in state.conversations[1]] == ["answered"]


def test_a_rewrite_is_shown_and_corrected(chat, state: FakeState):
    app = chat("leave", "and days?")
    state.conversations[1][1]["standalone_question"] = "leave: and days?"
    app.run()
    assert "Understood as: leave: and days?" in shown(app)

    app.text_area(key="rewrite-2-text").set_value("How many days of leave?")
    submit(app, "Ask with these words")

    assert questions(state) == ["leave", "and days?"]
    assert state.conversations[1][1]["standalone_question"] == "How many days of leave?"


def test_documents_that_disagree_are_shown_side_by_side(chat):
    text = shown(chat("leave"))
    assert "Your documents disagree" in text
    assert "employee-handbook.pdf, page 3:** Annual leave is 25 days." in text


def test_thumbs_and_comments_are_kept_and_a_bad_answer_becomes_an_eval_case(chat, state: FakeState):
    app = chat("leave")
    app.get("feedback")[0].set_value(0).run()
    assert state.conversations[1][0]["feedback"] == {"rating": "down", "comment": None}

    app.text_area(key="comment-1-text").set_value("Too long.")
    submit(app, "Save")
    assert state.conversations[1][0]["feedback"]["comment"] == "Too long."

    app.button(key="eval-1").click().run()
    assert state.eval_cases == [{"message_id": 1, "correction": None, "answerable": None}]
    app.text_input(key="eval-1-text").set_value("28 days")
    app.button(key="eval-1-save").click().run()
    assert state.eval_cases[1:] == [{"message_id": 1, "correction": "28 days", "answerable": None}]


def test_a_conversation_is_renamed_found_shared_and_unshared(chat, state: FakeState):
    app = chat("leave")
    app.text_input(key="title-1").set_value("Holidays")
    submit(app, "Rename")
    assert state.titles == {1: "Holidays"}

    app.text_input(key="find").set_value("nothing like it").run()
    assert "No conversation holds these words" in shown(app)
    app.text_input(key="find").set_value("holi").run()

    app.button(key="share").click().run()
    assert any("?shared=token-1" in each.value for each in app.code)
    app.button(key="revoke").click().run()
    assert state.links == {}


def test_a_link_shows_the_conversation_and_nothing_else(chat, state: FakeState):
    chat("leave")
    state.links[1] = "token-1"
    app = chat(shared="token-1")

    assert any(str(button.key).startswith("note-shared-0") for button in app.button)
    assert not app.chat_input
    assert not any("Edit" in button.label for button in app.button)


def test_a_revoked_link_says_so(chat):
    assert "Nothing is shared here" in shown(chat(shared="gone"))


def test_a_question_that_could_not_be_sent_stays_and_can_be_sent_again(chat, state: FakeState):
    app = chat("leave")
    app.chat_input[0].set_value("too long").run()
    assert "too long" in shown(app)

    app.button(key="try-again").click().run()

    assert state.requests.count(("POST", "/v1/ask")) == 3


def test_a_page_that_is_left_before_it_hears_an_answer_gives_its_connection_back(
    chat, state: FakeState, client: Client, monkeypatch: pytest.MonkeyPatch
):
    app = chat("leave")
    monkeypatch.setattr("ui.screens.chat.get_client", lambda: client)
    monkeypatch.setattr("ui.screens.chat.conversation_list", lambda *_: st.stop())
    app.chat_input[0].set_value("weather").run()
    assert questions(state) == ["leave", "weather"]

    pool = client._http._transport._pool  # type: ignore[attr-defined]
    give_up = time.monotonic() + 5
    while not all(connection.is_idle() for connection in pool.connections):
        assert time.monotonic() < give_up, pool.connections
        time.sleep(0.02)


def test_a_long_conversation_shows_its_end_first(chat, state: FakeState):
    chat("leave")
    turn = state.conversations[1][0]
    state.conversations[1] = [turn | {"message_id": 100 + index} for index in range(25)]
    app = chat(conversation="1")

    assert not any(button.key == "edit-104" for button in app.button)
    app.toggle(key="all-turns").set_value(True).run()
    assert any(button.key == "edit-104" for button in app.button)


def stop_elsewhere() -> None:
    """A page whose button asks a process that does not write the answer."""
    import httpx

    from ui.client import Client
    from ui.live import stop_button

    body = {
        "code": "written_elsewhere",
        "stage": "request",
        "cause": "Elsewhere",
        "next_step": "Wait",
    }
    stop_button(Client("http://api", httpx.MockTransport(lambda _: httpx.Response(409, json=body))), 1)


def test_an_answer_that_cannot_be_stopped_from_here_says_so():
    app = AppTest.from_function(stop_elsewhere, default_timeout=20).run()
    app.button(key="stop-1").click().run()
    assert not app.exception
    assert [error.value for error in app.error] == ["Elsewhere  \nWait"]
