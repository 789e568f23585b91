"""A real browser, the real interface, service and worker; only the networks are the deterministic doubles."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.db import create_engine, migrate
from app.documents.blobs import BlobStore
from app.jobs.worker import run_worker
from app.main import create_app
from app.services import assemble_services
from app.settings import Settings, load_settings
from tests.browser.conftest import ROOT, StartUi
from tests.browser.steps import ask, expect_page_picture, expect_refusal, footnote, upload_until_ready
from tests.fakes import EchoGenerator, fake_models
from tests.ui.serving import serve

pytestmark = pytest.mark.browser

HANDBOOK = ROOT / "samples" / "files" / "employee-handbook.pdf"


@pytest.fixture
def ui_url(tmp_path: Path, start_ui: StartUi) -> Iterator[str]:
    settings = load_settings({}, data_dir=tmp_path / "data", poll_interval_s=0.05, evidence_threshold=0.6)
    models = fake_models(EchoGenerator())
    app = create_app(settings, lambda each: assemble_services(each, models))
    stop = threading.Event()
    with serve(app) as api_url, start_ui(api_url) as url:
        worker = threading.Thread(target=work, args=(settings, stop))
        worker.start()
        yield url
        stop.set()
        worker.join()


def work(settings: Settings, stop: threading.Event) -> None:
    """The ingest worker, in a thread of the test."""
    migrate(settings.resolved_database_url)
    engine = create_engine(settings.resolved_database_url)
    run_worker(settings, engine, BlobStore(settings.data_dir / "blobs"), fake_models().ingest, stop=stop)
    engine.dispose()


def test_an_uploaded_pdf_is_asked_and_its_page_opened_then_deleted(page: Page, ui_url: str) -> None:
    upload_until_ready(page, ui_url, HANDBOOK, r"6 pages · \d+ passages")

    page.get_by_role("link", name="Ask").click()
    ask(page, "Who alerts the harbour rescue when a crew is 45 minutes overdue?")
    footnote(page, HANDBOOK.name, 4).click()
    expect_page_picture(page, 4)
    page.keyboard.press("Escape")
    ask(page, "Which astronaut walked on the Moon?")
    expect_refusal(page)

    page.get_by_role("link", name="Documents").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("This collection is empty")).to_be_visible()
