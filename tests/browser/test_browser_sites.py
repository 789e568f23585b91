"""A real browser, the real service and a real slow site: a read is watched, found again and cancelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.main import create_app
from app.services import assemble_services
from app.settings import load_settings
from app.sites import crawling
from app.sites.endpoints import get_fetcher
from app.sites.fetching import FetchLimits
from tests.app.web_site import Held, WebSite, reader, serving
from tests.browser.conftest import StartUi
from tests.browser.contrast import expect_contrast
from tests.browser.steps import expect_drawn
from tests.fakes import fake_models
from tests.ui.serving import serve

pytestmark = pytest.mark.browser

CANCEL_MS = 3_000  # a second of the service, and one or two of redrawing
LONG = "a-chapter-with-a-name-that-does-not-end-before-the-edge-of-any-phone-that-there-is"


@pytest.fixture
def held() -> Iterator[Held]:
    page = Held()
    yield page
    page.let_go.set()


@pytest.fixture
def site(held: Held) -> Iterator[WebSite]:
    with serving() as running:
        links = "".join(f'<a href="/{name}">{name}</a>' for name in ("leave", "gone", LONG, "pay"))
        running.html("/", f"<p>Welcome.</p>{links}")
        running.html("/leave", "<p>Everyone has 28 days of leave.</p>")
        running.pages[f"/{LONG}"] = held
        running.html("/pay", "<p>Pay day is the 25th.</p>")
        yield running


@pytest.fixture
def ui_url(tmp_path: Path, start_ui: StartUi, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(crawling, "PAUSE_S", 0.0)
    settings = load_settings({}, data_dir=tmp_path / "data")
    app = create_app(settings, lambda each: assemble_services(each, fake_models()))
    app.dependency_overrides[get_fetcher] = lambda: reader(limits=FetchLimits())
    with serve(app) as api_url, start_ui(api_url) as url:
        yield url


def begin(page: Page, address: str) -> None:
    """By keyboard alone, from the button on."""
    page.get_by_role("button", name="Add a web page").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Address").fill(address)
    page.get_by_text("Also the pages it links to").click()
    page.get_by_role("button", name="Read it").focus()
    page.keyboard.press("Enter")


@pytest.mark.parametrize("width", [1200, 390])
def test_a_read_is_watched_found_again_after_a_reload_and_cancelled(
    page: Page, ui_url: str, site: WebSite, held: Held, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{ui_url}/documents")
    begin(page, site.address)
    expect(page.get_by_text("page 4 of at most 20")).to_be_visible()
    expect(page.get_by_text(re.compile("^Now: 127.0.0.1"))).to_be_visible()
    expect(page.get_by_text(re.compile("2 pages added, 1 could not be read · "))).to_be_visible()
    expect(page.get_by_label("Address")).to_be_hidden()  # the form does not stand before the progress
    expect_contrast(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.reload()
    expect(page.get_by_text("page 4 of at most 20")).to_be_visible()
    button = page.get_by_role("button", name="Cancel")
    button.focus()
    page.keyboard.press("Enter")
    stopped = page.get_by_text("You stopped the reading of")
    expect(stopped).to_be_visible(timeout=CANCEL_MS)
    expect(stopped).to_contain_text("What was taken in stays: 2 pages added.")
    assert held.hung_up.wait(1)
    expect(page.get_by_text("/gone answered with status 404")).to_be_visible()
    expect(page.get_by_text(f"{site.address}/leave")).to_be_visible()
    expect_contrast(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    held.let_go.set()
    page.reload()
    expect(stopped).to_be_visible()
    expect_drawn(page)
    page.get_by_role("button", name="Read again").press("Enter")
    done = page.get_by_text("2 pages added, 2 unchanged, 1 could not be read.")
    expect(done).to_be_visible()
    expect(stopped).to_be_hidden()
    expect_drawn(page)
    page.get_by_role("button", name="Close").press("Enter")  # a redraw can come between the halves of a click
    expect(done).to_be_hidden()
    page.reload()
    expect(page.get_by_text(f"{site.address}/leave")).to_be_visible()
    expect(done).to_be_hidden()
