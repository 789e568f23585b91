"""The pages in Streamlit's own test runner, speaking to the fake API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.ui.canned import canned_answer
from tests.ui.fake_api import FakeState
from tests.ui.fake_state import ENCRYPTED
from ui.asking import Asking
from ui.client import Client

APP = str(Path(__file__).resolve().parents[2] / "ui" / "main.py")


@pytest.fixture
def open_page(api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)

    def open_(**query: str) -> AppTest:
        app = AppTest.from_file(APP, default_timeout=20)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    yield open_
    st.cache_resource.clear()


def shown(app: AppTest) -> str:
    """All the text of the page, escapes removed."""
    kinds = (app.markdown, app.caption, app.error, app.info, app.warning, app.success, app.title)
    return "\n".join(str(each.value) for kind in kinds for each in kind).replace("\\", "")


def html_of(app: AppTest) -> str:
    """The diagrams and tables of the page."""
    return "\n".join(str(each.proto.body) for each in app.get("html"))


def test_a_service_that_is_down_is_shown_with_the_next_step(monkeypatch):
    monkeypatch.setenv("FOOTNOTE_API_URL", "http://127.0.0.1:9")
    app = AppTest.from_file(APP, default_timeout=20).run()
    st.cache_resource.clear()

    assert not app.exception
    assert "http://127.0.0.1:9 does not answer" in shown(app)
    assert "footnote up" in shown(app)


def test_without_documents_the_first_page_says_where_to_add_some(open_page):
    assert "There are no documents yet" in shown(open_page())


def test_a_question_is_answered_with_a_list_of_footnotes_and_named_in_the_address(
    open_page, state: FakeState
):
    app = open_page()
    app.chat_input[0].set_value("How many days of leave?").run()

    assert not app.exception
    assert app.query_params["conversation"] == "1"
    notes = [button.label.replace("\\", "") for button in app.button if str(button.key).startswith("note-")]
    assert [note.split(":")[0] for note in notes] == [
        "**[1]** employee-handbook.pdf, page 2",
        "**[1]** employee-handbook.pdf, page 2",
        "**[2]** employee-handbook.pdf, page 3",
    ]
    assert [each.label for each in app.expander] == ["Also retrieved: 1 passage"]


def test_a_conversation_is_there_again_after_a_reload(open_page, client: Client):
    list(client.ask(Asking("leave please"), conversation_id=None))

    app = open_page(conversation="1")

    assert "leave please" in shown(app)
    assert any(button.key == "note-1-0" for button in app.button)


def test_a_refusal_says_why_and_what_could_be_missing(open_page):
    app = open_page()
    app.chat_input[0].set_value("What is the weather?").run()

    text = shown(app)
    assert "Your documents don't say" in text
    assert "none answers it well enough" in text
    assert "Best passage 0.31, needed 0.50" in text
    assert "2 documents still being read" in text
    assert "1 document could not be read" in text


def test_a_question_that_the_service_refuses_shows_cause_and_next_step(open_page):
    app = open_page()
    app.chat_input[0].set_value("too long").run()

    assert "The question has 300 tokens" in shown(app)


def test_an_error_in_the_middle_of_an_answer_is_shown(open_page):
    app = open_page()
    app.chat_input[0].set_value("fail").run()

    assert "Too many questions are waiting" in shown(app)


def test_a_conversation_that_was_deleted_is_left(open_page):
    app = open_page(conversation="77")

    assert "has been deleted" in shown(app)
    assert "conversation" not in app.query_params


def test_conversations_can_be_chosen_left_and_deleted(open_page, client: Client, state: FakeState):
    for question in ("leave", "weather"):
        list(client.ask(Asking(question), conversation_id=None))
    app = open_page()

    app.button(key="conversation-1").click().run()
    assert app.query_params["conversation"] == "1"
    app.button(key="delete-conversation").click().run()
    app.button(key="really-delete-conversation").click().run()
    assert list(state.conversations) == [2]
    assert "conversation" not in app.query_params


def test_a_cancelled_answer_is_kept_and_marked(open_page, client: Client, state: FakeState):
    state.cancelled.add(1)
    list(client.ask(Asking("leave"), conversation_id=None))

    assert "Stopped" in shown(open_page(conversation="1"))


def documents_page() -> None:
    from ui.screens import documents

    documents.page()


def search_page() -> None:
    from ui.screens import search

    search.page()


@pytest.fixture
def open_documents(api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AppTest]]:
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)
    yield lambda: AppTest.from_function(documents_page, default_timeout=20).run()
    st.cache_resource.clear()


def test_the_list_shows_failure_with_reason_and_offers_retry(open_documents, state: FakeState):
    state.add_document("damaged.pdf", 4, 1)
    state.documents[1]["step"] = 3
    app = open_documents()

    assert "its cross-reference table cannot be read" in shown(app)
    assert "save it again" in shown(app)
    assert "Failed while parsing · `file_damaged`" in shown(app)
    app.button(key="retry-1").click().run()
    assert ("POST", "/v1/documents/1/retry") in state.requests
    assert state.documents[1]["status"] != "failed"


def test_a_protected_pdf_is_tried_again_with_its_password(open_documents, state: FakeState):
    for name in ("safe.pdf", "safe.docx"):
        state.documents[state.add_document(name, 4, 1)].update(status="failed", error=ENCRYPTED)
    app = open_documents()

    assert [each.key for each in app.text_input if each.label == "Password of the file"] == ["password-of-1"]
    app.text_input(key="password-of-1").set_value("sesame")
    next(button for button in app.button if button.label == "Open").click()
    app.run()
    assert state.passwords == {1: "sesame"}
    assert state.documents[1]["status"] != "failed"


def test_progress_names_the_stage_and_its_count(open_documents, state: FakeState):
    state.add_document("handbook.pdf", 9_000, 1)
    state.documents[1]["step"] = 3
    app = open_documents()

    assert "Being read" in shown(app)
    assert any(each.text.endswith("11 of 19, about 12 s left") for each in app.get("progress"))
    assert "parsed ✓" in shown(app)
    assert "embedded 11/19" in shown(app)


def test_a_try_that_failed_is_told_while_another_waits(open_documents, state: FakeState, monkeypatch):
    monkeypatch.setattr(FakeState, "advance", lambda *_: None)  # it waits
    state.add_document("handbook.pdf", 9_000, 1)
    failed = {
        "code": "disk_full",
        "stage": "index",
        "cause": "The disk is full.",
        "next_step": "Free disk space.",
    }
    state.documents[1]["progress"] = {"stage": "stored", "done": 0, "total": 0, "last_error": failed}
    app = open_documents()

    assert "Waiting" in shown(app)
    assert "The last try failed: The disk is full" in shown(app)
    button = app.button(key="retry-1")
    assert button.label == "Try now"
    button.click().run()
    assert ("POST", "/v1/documents/1/retry") in state.requests


def test_reading_is_stopped_and_can_be_tried_again(open_documents, state: FakeState):
    state.add_document("handbook.pdf", 9_000, 1)
    app = open_documents()
    app.button(key="stop-1").click().run()

    assert ("POST", "/v1/documents/1/cancel") in state.requests
    assert "Stopped" in shown(app)
    assert app.button(key="retry-1")


def test_a_document_is_deleted_after_a_second_click(open_documents, state: FakeState):
    state.add_document("handbook.pdf", 9_000, 1)
    app = open_documents()
    app.button(key="really-delete-1").click().run()

    assert state.documents == {}
    assert "This collection is empty" in shown(app)


def test_a_new_collection_is_chosen_and_a_taken_name_is_refused(open_documents, state: FakeState):
    app = open_documents()
    for name in ("Contracts", "Default"):
        app.text_input[0].set_value(name)
        next(button for button in app.button if button.label == "Create").click()
        app.run()

    assert state.collections == {1: "Default", 2: "Contracts"}
    assert "There is a collection called Default already" in shown(app)
    assert app.selectbox(key="collection").value == 2


def test_a_collection_is_deleted_after_a_second_click(open_documents, state: FakeState):
    state.collections[2] = "Contracts"
    state.add_document("lease.pdf", 9_000, 2)
    app = open_documents()
    assert not [button for button in app.button if button.key == "really-delete-collection"]
    app.selectbox(key="collection").select(2).run()
    assert "Delete **Contracts** with 1 document" in shown(app)
    app.button(key="really-delete-collection").click().run()

    assert state.collections == {1: "Default"}
    assert app.selectbox(key="collection").value == 1


def test_search_shows_every_score_and_what_the_gate_would_decide(api_url, monkeypatch):
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)
    app = AppTest.from_function(search_page, default_timeout=20).run()
    app.text_input[0].set_value("leave")
    app.button[0].click().run()
    st.cache_resource.clear()

    text = shown(app)
    assert "enough evidence for an answer: best 0.94, needed 0.50" in text
    assert "Relevance 0.94" in text
    assert "Words not found" in text


def test_an_answer_that_is_still_being_written_is_heard_until_its_end(open_page, state: FakeState):
    turn = {**canned_answer("leave", 5, 1, 1), "state": "pending", "answer": None, "citations": []}
    state.conversations[1] = [turn]
    ending = threading.Timer(0.5, turn.update, kwargs={"state": "cancelled", "answer": "You"})
    ending.start()

    app = open_page(conversation="1")

    ending.join()
    assert "Stopped" in shown(app)
