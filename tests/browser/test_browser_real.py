"""The product as a user starts it, in a real browser with the real models: upload, ask, open the citation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, running
from tests.browser.steps import (
    MODEL_MS,
    ask,
    expect_page_picture,
    expect_refusal,
    footnote,
    upload_until_ready,
)
from tests.ui.serving import free_port

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.slow]

HANDBOOK = ROOT / "samples" / "files" / "employee-handbook.pdf"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """`footnote up` with a new data folder; the addresses of API and interface."""
    folder = tmp_path_factory.mktemp("service")
    api_port, ui_port = free_port(), free_port()
    api, ui = f"http://127.0.0.1:{api_port}", f"http://127.0.0.1:{ui_port}"
    env = {
        "FOOTNOTE_DATA_DIR": str(folder / "data"),
        "FOOTNOTE_API_PORT": str(api_port),
        "FOOTNOTE_UI_PORT": str(ui_port),
    }
    argv = [sys.executable, "-m", "app.cli", "up"]
    with running(argv, f"{api}/readyz", folder / "up.log", env, timeout_s=240):
        wait_for_ui(ui)
        yield api, ui


def wait_for_ui(url: str) -> None:
    transport = httpx.HTTPTransport(retries=8)  # waits twice as long after each refused connection
    with httpx.Client(transport=transport, trust_env=False, timeout=60) as client:
        client.get(f"{url}/_stcore/health").raise_for_status()


def test_a_question_about_an_uploaded_pdf_is_answered_with_a_citation_that_opens_its_page(
    page: Page, service: tuple[str, str]
) -> None:
    api, ui = service
    upload_until_ready(page, ui, HANDBOOK, r"6 pages · \d+ passages")

    page.get_by_role("link", name="Ask").click()
    ask(page, "At what forecast wind speed are trips on the water cancelled?")
    note = footnote(page, HANDBOOK.name, 4)
    expect(note).to_be_visible(timeout=MODEL_MS)
    keep_picture(page, "answer")
    note.click()
    expect_page_picture(page, 4)
    keep_picture(page, "citation")

    stored = httpx.get(f"{api}/v1/conversations/1", trust_env=False).json()["messages"][0]
    assert stored["state"] == "answered"
    assert any("12 metres per second" in citation["text"] for citation in stored["citations"])


def test_a_question_that_the_documents_do_not_answer_is_refused(page: Page, service: tuple[str, str]) -> None:
    page.goto(service[1])
    ask(page, "Which year did the first astronaut walk on the Moon?")

    expect_refusal(page)


def keep_picture(page: Page, name: str) -> None:
    """Writes a screenshot into the folder that SCREENSHOTS names, if any: the README shows one."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")
