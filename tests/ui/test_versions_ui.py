"""Known files, versions and replaced or deleted sources, in words on the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.ui.fake_state import DAMAGED, FakeState
from tests.ui.test_pages import documents_page, shown
from ui.cited import cited_words
from ui.schemas import Citation, CitedDocument


@pytest.fixture
def open_documents(api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AppTest]]:
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)
    yield lambda: AppTest.from_function(documents_page, default_timeout=20).run()
    st.cache_resource.clear()


def upload(app: AppTest, name: str) -> AppTest:
    app.file_uploader[0].set_value([(name, b"some text", "text/plain")])
    return app.run()


def ready(state: FakeState, name: str) -> int:
    document_id = state.add_document(name, 9, 1)
    state.documents[document_id].update(status="ready", ready_version=1, chunk_count=1, page_count=1)
    return document_id


def test_a_known_file_is_not_sent_before_somebody_chose(open_documents, state: FakeState):
    ready(state, "leave.txt")
    app = upload(open_documents(), "leave.txt")

    assert "**leave.txt** is in this collection already" in shown(app)
    assert ("POST", "/v1/documents") not in state.requests
    app.button(key="skip-0").click().run()
    assert ("POST", "/v1/documents") not in state.requests
    assert "in this collection already" not in shown(app)


def test_other_content_under_a_known_name_is_offered_as_a_version(open_documents, state: FakeState):
    document_id = ready(state, "changed.txt")
    app = upload(open_documents(), "changed.txt")

    assert "with other content" in shown(app)
    button = app.button(key="replace-0")
    assert button.label == "Make it version 2"
    button.click().run()
    assert state.documents[document_id]["version"] == 2
    assert "Version 1 answers questions until version 2 has been read" in shown(app)


def asked_about(app: AppTest) -> list[str]:
    return [str(button.key) for button in app.button if str(button.key).startswith("skip-")]


def test_a_file_waits_for_its_choice_while_others_are_dropped(open_documents, state: FakeState):
    ready(state, "leave.txt")
    app = upload(open_documents(), "leave.txt")
    for name in ("new.txt", "leave.txt"):  # dropped again it is asked about once
        app = upload(app, name)
        assert "**leave.txt** is in this collection already" in shown(app)
        assert len(asked_about(app)) == 1
    assert [each["file_name"] for each in state.documents.values()] == ["leave.txt", "new.txt"]


def test_a_file_waits_in_its_collection(open_documents, state: FakeState):
    state.collections[2] = "Contracts"
    ready(state, "leave.txt")
    app = upload(open_documents(), "leave.txt")
    app.selectbox(key="collection").select(2).run()
    assert asked_about(app) == []
    app.selectbox(key="collection").select(1).run()
    assert len(asked_about(app)) == 1


def test_both_can_be_kept(open_documents, state: FakeState):
    ready(state, "leave.txt")
    app = upload(open_documents(), "leave.txt")

    app.button(key="both-0").click().run()
    assert len(state.documents) == 2
    assert "1 file added" in shown(app)


def test_a_version_that_failed_is_said_to_leave_the_old_one_answering(open_documents, state: FakeState):
    document_id = ready(state, "leave.txt")
    state.documents[document_id].update(status="failed", version=2, error=DAMAGED)
    app = open_documents()

    assert "Version 2 could not be read. Version 1 still answers questions." in shown(app)
    app.button(key=f"keep-{document_id}").click().run()
    assert state.documents[document_id]["version"] == 1
    assert "still answers" not in shown(app)


def test_what_a_document_has_been_is_listed(open_documents, state: FakeState):
    document_id = ready(state, "leave.txt")
    state.documents[document_id].update(version=2, ready_version=2)

    assert "**Version 1** (replaced on 14 March 2026): leave.txt, 9 bytes" in shown(open_documents())


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (CitedDocument(state="current", version_now=1), None),
        (
            CitedDocument(state="replaced", version_now=3, since=datetime(2026, 3, 14, tzinfo=UTC)),
            "version 2 of the document, replaced on 14 March 2026 by version 3. You see it as it was.",
        ),
        (CitedDocument(state="replaced", version_now=3, readable=False), "Its pages are no longer kept"),
        (CitedDocument(state="deleted", readable=False), "This document was deleted. The footnote keeps"),
    ],
)
def test_a_footnote_says_what_has_become_of_its_document(document: CitedDocument, words: str | None):
    citation = Citation(
        number=1, claim_start=0, claim_end=1, chunk_id=1, document_id=1, document_version=2, file_name="a",
        start=0, end=1, text="x", verdict="supported", score=1.0, document=document,
    )  # fmt: skip
    said = cited_words(citation)
    assert said is None if words is None else words in (said or "")
