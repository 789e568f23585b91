"""What a reader does in the browser, shared by the browser tests."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

MODEL_MS = 180_000  # reading a file or answering with real models on a busy machine


def ask(page: Page, question: str) -> None:
    box = page.get_by_placeholder("Ask your documents")
    box.fill(question)
    box.press("Enter")


def upload(page: Page, *paths: Path) -> None:
    page.locator("input[type=file]").set_input_files([str(path) for path in paths])


def upload_until_ready(page: Page, ui_url: str, path: Path, facts: str) -> None:
    """Uploads one file on the Documents page and waits for the facts that only a ready document shows."""
    page.goto(f"{ui_url}/documents")
    upload(page, path)
    expect(page.get_by_text("1 file added.")).to_be_visible()
    expect(page.get_by_text(re.compile(facts))).to_be_visible(timeout=MODEL_MS)
    expect(page.get_by_text("Ready").last).to_be_visible()


def footnote(page: Page, file_name: str, page_number: int) -> Locator:
    """The first footnote in the answer that leads to a page."""
    label = re.compile(rf"Footnote \d+: {re.escape(file_name)}, page {page_number}\b")
    return page.get_by_role("button", name=label).first


def expect_page_picture(page: Page, page_number: int) -> None:
    """The open window shows a picture of the page that is really there."""
    picture = page.get_by_role("dialog").get_by_role(
        "img", name=f"Page {page_number} with the passage marked"
    )
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 600


def expect_refusal(page: Page) -> None:
    heading = page.get_by_role("heading", name="Your documents don't say")
    expect(heading).to_be_visible(timeout=MODEL_MS)


def expect_drawn(page: Page) -> None:
    """The script behind the page is at rest: Streamlit can lose a click that comes while it redraws."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
