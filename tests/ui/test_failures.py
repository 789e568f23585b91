"""The Documents page says of every failure what it is, where it broke and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.app.test_failure_texts import JOB_FAILURES, PARSE_FAILURES
from tests.ui.fake_api import FakeState
from tests.ui.test_pages import documents_page
from ui.schemas import Failure
from ui.views import failed_where


@pytest.fixture
def open_documents(api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AppTest]]:
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)
    yield lambda: AppTest.from_function(documents_page, default_timeout=60).run()
    st.cache_resource.clear()


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.error, *app.warning]
    return "\n".join(str(each.value) for each in shown).replace("\\", "")


@pytest.mark.parametrize("failures", [JOB_FAILURES, PARSE_FAILURES], ids=["job", "parse"])
def test_each_failure_is_shown_whole(
    open_documents: Callable[[], AppTest], state: FakeState, failures: tuple
) -> None:
    for failure in failures:
        document_id = state.add_document(f"{failure.code}.pdf", 4, 1)
        state.documents[document_id].update(status="failed", error={**failure.as_error(), "page": 7})
    app = open_documents()
    page = texts(app)
    assert not app.exception
    for failure in failures:
        assert f"{failure.code}.pdf" in page
        if failure.code == "cancelled":  # a person did it: no failure of the file
            continue
        assert failure.cause in page
        assert failure.next_step in page
        assert f"page 7 · `{failure.code}`" in page


def test_a_refused_upload_names_stage_and_code() -> None:
    refused = Failure(code="storage_full", stage="stored", cause="No room.", next_step="Free some.")
    assert failed_where(refused) == "Failed while storing · `storage_full`"


def test_a_page_of_the_web_that_was_not_fetched_is_named_so() -> None:
    failure = Failure(code="url_timeout", stage="fetched", cause="Too slow.", next_step="Try later.")
    assert failed_where(failure) == "Failed while fetching · `url_timeout`"
