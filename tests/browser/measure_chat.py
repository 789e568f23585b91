"""Time from sending a question to sources and first word on the screen: `make bench-browser`.

Starts the whole service on the sample collection with real models, asks its questions in headless Chromium,
each in a conversation of its own, and prints medians and 95th percentiles. The clock runs in the page: from
the key press to the moment at which the browser has the element.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS, ROOT, chromium_path, running
from tests.ui.fake_api import create_fake
from tests.ui.fake_state import FakeState
from tests.ui.serving import free_port, serve

QUESTIONS = ROOT / "samples" / "questions.jsonl"
TARGETS_MS = {"sources": 700, "first_word": 1500}
WARM_UP = 2  # questions before the clock counts: the first ones load what is loaded once
ANSWER_MS = 120_000

CLOCK = """
() => {
  window.seen = {};
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter") window.seen = { sent: performance.now() };
  }, true);
  const note = (name) => {
    if (window.seen.sent && !(name in window.seen)) window.seen[name] = performance.now();
  };
  new MutationObserver(() => {
    if (document.querySelector(".st-key-found")) note("sources");
    if (document.querySelector(".st-key-writing")?.textContent.trim()) note("first_word");
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}
"""


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interface-only", action="store_true", help="a service that answers at once")
    fake = parser.parse_args().interface_only
    questions = [json.loads(line)["question"] for line in QUESTIONS.read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        measured = interface_alone(Path(folder)) if fake else whole(questions, Path(folder))
    print(json.dumps(summary(measured), indent=1))


def interface_alone(folder: Path) -> list[dict[str, float]]:
    """What the interface itself takes: the fake API behind it answers at once."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "streamlit", "run", "ui/main.py", f"--server.port={port}",
            "--server.address=127.0.0.1"]  # fmt: skip
    with serve(create_fake(FakeState())) as api:
        env = {"FOOTNOTE_API_URL": api}
        with running(argv, f"{url}/_stcore/health", folder / "ui.log", env):
            return in_browser(url, ["How many days of leave?"] * 20)


def whole(questions: list[str], folder: Path) -> list[dict[str, float]]:
    """Milliseconds to `sources` and `first_word` for each question; a refusal has no first word."""
    api_port, ui_port = free_port(), free_port()
    env = {
        "FOOTNOTE_DATA_DIR": os.environ.get("FOOTNOTE_DATA_DIR", str(folder)),
        "FOOTNOTE_API_PORT": str(api_port),
        "FOOTNOTE_UI_PORT": str(ui_port),
    }
    footnote = [sys.executable, "-m", "app.cli"]
    ingest = [*footnote, "ingest", "samples/files"]
    subprocess.run(ingest, cwd=ROOT, env={**os.environ, **env}, check=True, stdout=sys.stderr)
    log = folder / "up.log"
    with running([*footnote, "up"], f"http://127.0.0.1:{api_port}/readyz", log, env, timeout_s=240):
        wait_for(f"http://127.0.0.1:{ui_port}")
        return in_browser(f"http://127.0.0.1:{ui_port}", questions)


def wait_for(url: str) -> None:
    """The interface starts beside the API."""
    transport = httpx.HTTPTransport(retries=8)  # waits twice as long after each refused connection
    with httpx.Client(transport=transport, trust_env=False, timeout=60) as client:
        client.get(f"{url}/_stcore/health").raise_for_status()


def in_browser(url: str, questions: list[str]) -> list[dict[str, float]]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page()
        page.set_default_timeout(ANSWER_MS)
        page.goto(url)
        page.get_by_placeholder("Ask your documents").wait_for()
        page.evaluate(CLOCK)
        measured = [asked(page, question) for question in questions]
        browser.close()
    return measured[WARM_UP:]


def asked(page: Page, question: str) -> dict[str, float]:
    """One question in a new conversation, until its answer is stored and shown."""
    page.get_by_role("button", name="New conversation").click()
    page.get_by_role("heading", name="Ask your documents").wait_for()
    page.wait_for_timeout(300)
    box = page.get_by_placeholder("Ask your documents")
    box.fill(question)
    box.press("Enter")
    page.get_by_role("button", name="Ask again").wait_for()
    seen: dict[str, float] = page.evaluate("window.seen")
    return {name: at - seen["sent"] for name, at in seen.items() if name != "sent"}


def summary(measured: list[dict[str, float]]) -> dict[str, object]:
    """Median and 95th percentile of each moment, beside its target."""
    result: dict[str, object] = {"questions": len(measured)}
    for name, target_ms in TARGETS_MS.items():
        times = [each[name] for each in measured if name in each]
        result[name] = {
            "n": len(times),
            "median_ms": round(float(np.median(times))),
            "p95_ms": round(float(np.percentile(times, 95))),
            "target_ms": target_ms,
        }
    return result


if __name__ == "__main__":
    main()
