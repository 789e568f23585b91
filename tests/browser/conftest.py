"""Headless Chromium, and the interface under test as real processes on free ports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from tests.ui.serving import free_port

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WAIT_MS = 15_000

StartUi = Callable[[str], AbstractContextManager[str]]


def chromium_path() -> str:
    """The browser, or a skip; in CI a failure, because there nobody would notice the skip."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path:
        return path
    message = "No Chromium found. On Debian and Ubuntu: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="package")
def browser_context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """One browser with a profile of its own for all browser tests, and gone after them.

    Playwright keeps an event loop running in this thread; other tests need to start their own.
    """
    path = chromium_path()
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=path,
            args=list(CHROMIUM_FLAGS),
            viewport={"width": 1200, "height": 900},
            accept_downloads=True,
        )
        context.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        yield context
        context.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Iterator[Page]:
    """A tab; the test fails when the page asked anything but this machine for anything."""
    tab = browser_context.new_page()
    foreign: list[str] = []
    tab.on("request", lambda request: foreign.append(request.url) if is_foreign(request.url) else None)
    yield tab
    tab.close()
    assert not foreign, f"the page asked other machines: {foreign}"


def is_foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:"))


@contextmanager
def running(
    argv: list[str], ready_url: str, log: Path, env: dict[str, str], timeout_s: float = 60.0
) -> Iterator[None]:
    """A process from the repository root until its ready URL answers; its log is part of any failure."""
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **env}, stdout=output, stderr=output)
    try:
        wait_until_ready(process, ready_url, log, timeout_s)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{url} did not become ready:\n{log.read_text('utf-8', 'replace')[-4000:]}")
        time.sleep(0.2)


@pytest.fixture(scope="session")
def start_ui(tmp_path_factory: pytest.TempPathFactory) -> StartUi:
    """Starts Streamlit for the API at an address; gives the address of the interface."""

    @contextmanager
    def start(api_url: str) -> Iterator[str]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        argv = [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui" / "main.py"),
                f"--server.port={port}", "--server.address=127.0.0.1"]  # fmt: skip
        log = tmp_path_factory.mktemp("ui") / "ui.log"
        with running(argv, f"{url}/_stcore/health", log, {"FOOTNOTE_API_URL": api_url}):
            yield url

    return start
