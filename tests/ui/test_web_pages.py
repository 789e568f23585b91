"""Reading pages of the web from the Documents page: begin, follow, cancel, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_sites import INTERRUPTED
from tests.ui.fake_state import FakeState
from tests.ui.test_pages import open_documents, shown
from ui.site_reads import doing, headline, kept, left_out, tally, to_show
from ui.sites_api import SiteRead
from ui.text import short_address

__all__ = ["open_documents"]  # the fixture

FOUR = [{"file_name": "a", "status": "queued"}] * 4
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def read(app: AppTest, url: str, *, follow: bool = False) -> AppTest:
    next(each for each in app.text_input if each.label == "Address").set_value(url)
    next(each for each in app.checkbox if each.label == "Also the pages it links to").set_value(follow)
    next(button for button in app.button if button.label == "Read it").click()
    return app.run()


def click(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return app.run()


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def site_read(**values: Any) -> SiteRead:
    known = {"id": 1, "url": "https://example.org/", "depth": 1, "pages": 20, "status": "running"}
    return SiteRead.model_validate({**known, "created_at": NOON, **values})


def test_a_page_becomes_a_document_named_by_its_address(open_documents, state: FakeState):
    app = read(open_documents(), "https://example.org/handbook")
    assert state.urls == [("https://example.org/handbook", 0, 1)]
    assert "example.org/handbook**: 1 page added." in shown(app)
    assert [each["file_name"] for each in state.documents.values()] == ["https://example.org/handbook"]
    read(app, "https://example.org/", follow=True)
    assert state.urls[1] == ("https://example.org/", 1, 20)


def test_what_could_not_be_read_says_why_until_it_is_closed(open_documents, state: FakeState):
    app = read(open_documents(), "https://example.org/", follow=True)
    app.run()
    assert "2 pages added, 1 could not be read." in shown(app)
    assert "The robots.txt of example.org does not allow it. Save the page as a file" in shown(app)
    assert "example.org/page-3" in shown(app)
    assert "pages added" not in shown(click(app, "Close"))
    assert state.reads == {}
    assert len(state.documents) == 2


def test_a_read_under_way_is_found_by_a_new_visitor_and_cancelled(open_documents, state: FakeState):
    app = read(open_documents(), "https://example.org/", follow=True)
    state.reads.clear()
    state.reads_held = True
    read(app, "https://example.org/", follow=True)
    visitor = open_documents()
    assert "Cancel" in labels(visitor)
    assert "Now: example.org" in shown(visitor)
    click(visitor, "Cancel")
    assert [each["status"] for each in state.reads.values()] == ["cancelled"]
    visitor.run()
    assert "You stopped the reading of **example.org**" in shown(visitor)
    assert "Cancel" not in labels(visitor)
    click(visitor, "Read again")
    assert [each["status"] for each in state.reads.values()] == ["cancelled", "running"]


def test_a_read_that_a_restart_ended_says_so_with_the_next_step(open_documents, state: FakeState):
    state.reads_held = True
    app = read(open_documents(), "https://example.org/", follow=True)
    [row] = state.reads.values()
    row.update(status="interrupted", error=INTERRUPTED, finished_at="2026-03-12T09:09:00Z")
    app.run()
    assert "The service was restarted while it read this site. No page was taken in." in shown(app)
    assert "Read the address again" in shown(app)
    assert "Read again" in labels(app)


def test_an_address_that_is_refused_says_why(open_documents, state: FakeState):
    app = read(open_documents(), "http://127.0.0.1/")
    assert "which is not a public address" in shown(app)
    assert state.documents == {}
    read(app, "file:///etc/passwd")
    assert "is not an address of a site." in shown(app)


def test_too_many_at_once_are_refused_with_the_reason(open_documents, state: FakeState):
    state.reads_held = True
    app = open_documents()
    for name in ("a", "b", "c"):
        read(app, f"https://example.org/{name}")
    assert len(state.reads) == 2
    assert "2 sites are being read into this collection already." in shown(app)


def test_a_later_read_hides_what_an_earlier_one_came_to():
    begun = [NOON + timedelta(minutes=minutes) for minutes in (0, 10, 12)]
    ended = [
        site_read(id=number, status="done", created_at=at, finished_at=at + timedelta(minutes=5))
        for number, at in enumerate(begun)
    ]
    assert [each.id for each in to_show(ended[::-1])] == [2, 1]
    running = site_read(id=3, created_at=NOON + timedelta(hours=1))
    assert [each.id for each in to_show([running, *ended[::-1]])] == [3]
    assert to_show([]) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "Reading example.org: page 1 of at most 20, 1 s"),
        ({"documents": FOUR, "elapsed_s": 12.4}, "page 5 of at most 20, 12 s"),
        ({"pages": 1}, "Reading example.org, 1 s"),
    ],
)
def test_the_headline_counts_pages_and_time(values: dict[str, Any], words: str):
    assert words in headline(site_read(**values))


def test_a_site_that_is_read_says_what_happens_now():
    assert doing(site_read(current="https://example.org/a")) == "Now: example.org/a"
    assert doing(site_read()).startswith("Pausing")
    assert doing(site_read(current="https://example.org/a", cancel_requested=True)) == "Stopping"


def test_counts_are_in_words():
    assert tally(site_read(added=1, unchanged=2)) == "1 page added, 2 unchanged"
    assert tally(site_read(refused=2)) == "2 pages could not be read"
    assert kept(site_read(refused=2)) == "No page was taken in."
    assert kept(site_read(added=2, refused=1)) == "What was taken in stays: 2 pages added."
    limited = site_read(waiting=3, pages_left=0)
    assert "The limit of 20 pages was reached; 3 more addresses were found." in left_out(limited)
    assert left_out(site_read(waiting=3, pages_left=1)) == ""


def test_a_long_address_keeps_both_its_ends():
    short = short_address(f"https://example.org/{'x' * 100}/leave", 30)
    assert len(short) <= 30
    assert short.startswith("example.org/x")
    assert short.endswith("/leave")
    assert short_address("https://example.org/", 30) == "example.org"
