"""A real browser, the real interface, service and worker; only the networks are the deterministic doubles."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.db import create_engine, migrate
from app.documents.blobs import BlobStore
from app.jobs.worker import run_worker
from app.main import create_app
from app.services import GenerateOptions, assemble_services
from app.settings import Settings, load_settings
from tests.browser.conftest import ROOT, StartUi
from tests.browser.contrast import expect_contrast
from tests.browser.steps import (
    ask,
    expect_drawn,
    expect_page_picture,
    expect_refusal,
    footnote,
    upload_until_ready,
)
from tests.fakes import EchoGenerator, fake_models
from tests.ui.serving import serve

pytestmark = pytest.mark.browser

HANDBOOK = ROOT / "samples" / "files" / "employee-handbook.pdf"


class Held(EchoGenerator):
    """Writes at once, but after its first word waits to be let go where the question says "slowly"."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        for piece in super().generate(segments, options, cancelled):
            yield piece
            while "slowly" in segments[-1] and not self.let_go.is_set() and not cancelled():
                self.let_go.wait(0.02)


@pytest.fixture
def generator() -> Held:
    return Held()


@pytest.fixture
def ui_url(tmp_path: Path, start_ui: StartUi, generator: Held) -> Iterator[str]:
    settings = load_settings({}, data_dir=tmp_path / "data", poll_interval_s=0.05, evidence_threshold=0.6)
    models = fake_models(generator)
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


def test_an_answer_is_heard_again_after_a_reload_and_a_stopped_one_is_asked_again(
    page: Page, ui_url: str, generator: Held
) -> None:
    upload_until_ready(page, ui_url, HANDBOOK, r"6 pages · \d+ passages")
    page.get_by_role("link", name="Ask").click()
    question = "Who slowly alerts the harbour rescue when a crew is 45 minutes overdue?"
    writing = page.locator(".st-key-writing")
    ask(page, question)
    expect(writing).to_contain_text("Lumenfjord")
    page.reload()
    expect(writing).to_contain_text("Lumenfjord")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped before its end")).to_be_visible()

    page.get_by_role("button", name="Ask again").click()
    expect(writing).to_contain_text("Lumenfjord")
    page.get_by_role("link", name="Documents").click()
    expect(page.get_by_role("heading", name="Documents")).to_be_visible()
    page.get_by_role("link", name="Ask").click()
    expect(writing).to_contain_text("Lumenfjord")
    generator.let_go.set()
    expect(footnote(page, HANDBOOK.name, 4)).to_be_visible()
    expect(page.get_by_text("Stopped before its end")).to_have_count(0)


@pytest.mark.parametrize("width", [1200, 390])
def test_the_passages_of_a_document_stand_beside_their_page(page: Page, ui_url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    upload_until_ready(page, ui_url, HANDBOOK, r"6 pages · \d+ passages")
    page.get_by_role("button", name="Passages").click()
    window = page.get_by_role("dialog")
    expect(window.get_by_text("Passage 1 ·")).to_be_visible()
    expect_page_picture(page, 1)

    marked = window.locator("[class*=st-key-marked-] .passage")
    first = marked.inner_text()
    window.get_by_role("button", name="Show on the page").click()
    expect(marked).not_to_have_text(first)
    window.get_by_label("Page of 6").fill("4")
    page.keyboard.press("Enter")
    expect(window.get_by_text("4. Safety in the workshop and on the water").first).to_be_visible()
    expect_page_picture(page, 4)
    expect_contrast(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    expect(window).to_be_hidden()
    page.reload()
    expect(window).to_be_hidden()


def test_an_answer_is_inspected_replayed_and_its_passages_weighed(page: Page, ui_url: str) -> None:
    upload_until_ready(page, ui_url, HANDBOOK, r"6 pages · \d+ passages")
    page.get_by_role("link", name="Ask").click()
    ask(page, "Who alerts the harbour rescue when a crew is 45 minutes overdue?")
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()

    page.get_by_role("link", name="Inspector").click()
    page.get_by_role("button", name=re.compile("harbour rescue")).click()
    expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()
    expect(page.get_by_text("Rerank", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="What search found")).to_be_visible()
    page.get_by_role("button", name="Replay this answer").click()
    expect(page.get_by_text(re.compile("Identical: all \\d+ tokens"))).to_be_visible()
    expect_contrast(page)

    page.get_by_role("button", name="All answers").click()
    expect(page.get_by_text("Choose an answer to see how it came about")).to_be_visible()


def test_a_set_is_written_run_twice_and_compared(page: Page, ui_url: str) -> None:
    upload_until_ready(page, ui_url, HANDBOOK, r"6 pages · \d+ passages")
    page.get_by_role("link", name="Evals").click()
    page.get_by_role("tab", name="Sets").click()
    page.get_by_label("Name").fill("Handbook")
    page.get_by_role("button", name="Create").click()
    page.get_by_role("button", name="Write a question").click()
    page.get_by_label("Question", exact=True).fill("Who alerts the harbour rescue when a crew is overdue?")
    page.get_by_label("Answer", exact=True).fill("The duty officer")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("1 question ready")).to_be_visible()
    expect(page.get_by_text("Answer: The duty officer")).to_be_visible()
    expect_contrast(page)

    for number in (1, 2):
        page.get_by_role("tab", name="Runs").click()
        expect_drawn(page)
        page.get_by_role("button", name="Start", exact=True).click()
        finished = page.get_by_role("combobox", name="Finished runs")
        expect(finished).to_have_value(re.compile(rf"^{number}: answers, Handbook"))
    page.reload()  # what was measured is there when one comes back
    expect(page.get_by_text("95% bootstrap intervals")).to_be_visible()
    page.get_by_text("Question by question").click()
    runs = page.get_by_role("tabpanel", name="Runs")
    expect(runs.get_by_text(re.compile("false refusals|f1")).last).to_be_visible()
    expect_contrast(page)
    page.get_by_role("tab", name="Compare").click()
    expect(page.get_by_text("1 question in both runs")).to_be_visible()
    expect(page.get_by_text("0 questions came out differently")).to_be_visible()


@pytest.mark.parametrize("address", ["", "documents", "search", "evals", "inspector", "settings"])
def test_every_page_fits_a_phone_before_anything_is_there(page: Page, ui_url: str, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{ui_url}/{address}")
    expect(page.get_by_role("heading").first).to_be_visible()
    expect_contrast(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_text("Traceback").count() == 0
