"""Makes the pictures of README and docs with real models: `python -m tests.browser.screenshots`.

Starts the whole service in a new data folder, reads the samples, asks, opens a footnote and takes a picture
of each page. With FOOTNOTE_DATA_DIR set, models that are prepared there are used.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS, ROOT, chromium_path, running
from tests.browser.measure_chat import wait_for
from tests.browser.steps import ask
from tests.ui.serving import free_port

IMAGES = ROOT / "docs" / "images"
ASKED = "At what forecast wind speed are trips on the water cancelled?"
MODEL_MS = 300_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        api_port, ui_port = free_port(), free_port()
        api, ui = f"http://127.0.0.1:{api_port}", f"http://127.0.0.1:{ui_port}"
        env = {
            "FOOTNOTE_DATA_DIR": os.environ.get("FOOTNOTE_DATA_DIR", folder),
            "FOOTNOTE_API_PORT": str(api_port),
            "FOOTNOTE_UI_PORT": str(ui_port),
        }
        footnote = [sys.executable, "-m", "app.cli"]
        subprocess.run(
            [*footnote, "ingest", "samples/files"], cwd=ROOT, env={**os.environ, **env}, check=True
        )
        with running([*footnote, "up"], f"{api}/readyz", Path(folder) / "up.log", env, timeout_s=300):
            wait_for(ui)
            take(api, ui)


def take(api: str, ui: str) -> None:
    """Every picture, one page after the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(MODEL_MS)
        for name, show in PAGES.items():
            show(page, api, ui)
            page.wait_for_timeout(1500)  # what fades in is there
            page.screenshot(path=IMAGES / f"{name}.png")
            print(IMAGES / f"{name}.png")
        browser.close()


def chat(page: Page, _api: str, ui: str) -> None:
    """A cited answer with its page beside it."""
    page.set_viewport_size({"width": 1600, "height": 900})
    page.goto(ui)
    ask(page, ASKED)
    page.get_by_role("button", name="Ask again").wait_for()
    page.get_by_role("button", name=re.compile(r"^Footnote \d")).first.click()
    page.get_by_role("dialog").get_by_role("img", name="with the passage marked").wait_for()


def documents(page: Page, _api: str, ui: str) -> None:
    """The documents of the samples' collection."""
    page.set_viewport_size({"width": 1280, "height": 860})
    page.goto(f"{ui}/documents")
    page.get_by_text("Ready").first.wait_for()


def passages(page: Page, _api: str, ui: str) -> None:
    """A document as search sees it."""
    page.goto(f"{ui}/documents")
    page.get_by_role("button", name="Passages").first.click()
    page.get_by_role("dialog").get_by_text("Passage 1").wait_for()


def inspector(page: Page, api: str, ui: str) -> None:
    """How the answer came about."""
    newest = httpx.get(f"{api}/v1/conversations", trust_env=False).json()["items"][0]["id"]
    turns = httpx.get(f"{api}/v1/conversations/{newest}", trust_env=False).json()["messages"]
    page.goto(f"{ui}/inspector?message={turns[-1]['message_id']}")
    page.get_by_text("Time").first.wait_for()


def search(page: Page, _api: str, ui: str) -> None:
    """The same question in the search lab."""
    page.goto(f"{ui}/search")
    page.get_by_role("button", name="Search", exact=True).wait_for()  # Enter sends what it belongs to
    page.get_by_label("Question or words").fill(ASKED)
    page.get_by_label("Question or words").press("Enter")
    page.get_by_role("button", name="Open").first.wait_for()


def evals(page: Page, api: str, ui: str) -> None:
    """The samples' own questions, asked and measured."""
    name, questions = {"name": "Sample questions"}, ROOT / "samples" / "questions.jsonl"
    with questions.open("rb") as stream, httpx.Client(base_url=f"{api}/v1", trust_env=False) as client:
        uploaded = client.post("/eval-sets/upload", params=name, files={"files": stream}).json()
        run = client.post("/evals", json={"set_id": uploaded["id"]}).json()
        while client.get(f"/evals/{run['id']}").json()["status"] in ("queued", "running"):
            page.wait_for_timeout(500)
    page.set_viewport_size({"width": 1280, "height": 1120})
    page.goto(f"{ui}/evals")
    page.get_by_text("95% bootstrap intervals").wait_for()


PAGES: dict[str, Callable[[Page, str, str], None]] = {
    "cited-answer": chat,
    "documents": documents,
    "passages": passages,
    "inspector": inspector,
    "search-lab": search,
    "evals": evals,
}


if __name__ == "__main__":
    main()
