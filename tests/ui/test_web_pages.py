"""Reading a page of the web from the Documents page."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.ui.fake_state import FakeState
from tests.ui.test_pages import open_documents, shown

__all__ = ["open_documents"]  # the fixture


def read(app: AppTest, url: str, *, follow: bool = False) -> AppTest:
    next(each for each in app.text_input if each.label == "Address").set_value(url)
    next(each for each in app.checkbox if each.label == "Also the pages it links to").set_value(follow)
    next(button for button in app.button if button.label == "Read it").click()
    return app.run()


def test_a_page_becomes_a_document_named_by_its_address(open_documents, state: FakeState):
    app = read(open_documents(), "https://example.org/handbook")
    assert state.urls == [("https://example.org/handbook", 0, 1)]
    assert "1 file added" in shown(app)
    assert "https://example.org/handbook" in shown(app)
    read(app, "https://example.org/", follow=True)
    assert state.urls[1] == ("https://example.org/", 1, 20)


def test_an_address_that_is_refused_says_why(open_documents, state: FakeState):
    app = read(open_documents(), "http://127.0.0.1/")
    assert "which is not a public address" in shown(app)
    assert state.documents == {}
