"""Files on their way up: a click in the middle takes nothing away and has nothing sent twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from tests.ui.fake_state import FakeState
from tests.ui.test_pages import shown
from ui.client import ApiError, Client
from ui.schemas import Failure, Upload
from ui.screens import documents

ALPHA, BETA = 2, 3


@pytest.fixture
def open_app(api_url: str, state: FakeState, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Opens the Documents page at Alpha; with `where["away"]` set another page is there instead."""
    monkeypatch.setenv("FOOTNOTE_API_URL", api_url)
    state.collections |= {ALPHA: "Alpha", BETA: "Beta"}

    def open_at_alpha(where: dict[str, bool]) -> AppTest:
        app = AppTest.from_function(documents_or_another_page, default_timeout=20, args=(where,)).run()
        return app.selectbox(key="collection").select(ALPHA).run()

    yield open_at_alpha
    st.cache_resource.clear()


def documents_or_another_page(where: dict[str, bool]) -> None:
    from ui.screens import documents

    if not where.get("away"):
        documents.page()


@pytest.fixture
def click_during(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], object]], list[str]]:
    """Has somebody click while a file goes up; gives the names of all files that are sent."""
    sent: list[str] = []
    upload = Client.upload

    def patch(during: str, click: Callable[[], object]) -> list[str]:
        def clicked_meanwhile(client: Client, name: str, *arguments: Any, **options: Any) -> Upload:
            sent.append(name)
            outcome = upload(client, name, *arguments, **options)
            if name == during:
                click()
                context = get_script_run_ctx()
                assert context is not None
                assert context.script_requests is not None
                context.script_requests.request_rerun(RerunData())
            return outcome

        monkeypatch.setattr(Client, "upload", clicked_meanwhile)
        return sent

    return patch


def drop(app: AppTest, *names: str) -> AppTest:
    """Drops files beside those that the uploader holds, which AppTest's own ways would replace."""
    uploader = app.file_uploader[0]
    uploader._files = uploader._get_files_to_register()
    for name in names:
        uploader.upload(name, b"some text", "text/plain")
    return app.run()


class Dropped:
    """A file as the uploader gives it."""

    def __init__(self, name: str) -> None:
        self.file_id = self.name = name

    def getvalue(self) -> bytes:
        return b"some text"


@contextmanager
def service_busy() -> Iterator[None]:
    """Files that are dropped meanwhile stay where they are: nobody says which of them are known."""

    def refuse(*arguments: object) -> None:
        raise ApiError(Failure(code="overloaded", stage="request", cause="Busy.", next_step="Wait."))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "check_files", refuse)
        yield


def stored(state: FakeState) -> dict[str, int]:
    """The collection of each document."""
    return {each["file_name"]: each["collection_id"] for each in state.documents.values()}


def test_an_upload_that_a_click_interrupts_goes_on_with_the_other_files(
    open_app, click_during, state: FakeState
):
    sent = click_during("a.txt", lambda: None)
    app = drop(open_app({}), "a.txt", "b.txt", "c.txt")

    assert sent == ["a.txt", "b.txt", "c.txt"]
    assert "3 files added" in shown(app)
    assert "in this collection already" not in shown(app)
    assert app.file_uploader[0].value == []


def test_files_go_to_the_collection_that_they_were_dropped_on(open_app, state: FakeState):
    with service_busy():
        app = drop(open_app({}), "a.txt", "b.txt")
        app.selectbox(key="collection").select(BETA).run()
        assert stored(state) == {}
    drop(app, "c.txt")

    assert stored(state) == {"a.txt": ALPHA, "b.txt": ALPHA, "c.txt": BETA}


def test_a_file_that_is_taken_out_of_the_uploader_is_not_sent(open_app, state: FakeState):
    with service_busy():
        app = drop(open_app({}), "a.txt")
    app.file_uploader[0].clear().run()

    assert stored(state) == {}


def test_files_of_a_collection_that_is_deleted_meanwhile_are_said_not_to_be_sent(
    open_app, click_during, state: FakeState
):
    sent = click_during("a.txt", lambda: state.collections.pop(ALPHA))
    app = drop(open_app({}), "a.txt", "b.txt", "c.txt")

    assert sent == ["a.txt"]
    assert shown(app).count("Its collection was deleted before the file was sent") == 2
    assert app.file_uploader[0].value == []
    drop(app, "d.txt")
    assert stored(state)["d.txt"] == 1


def test_an_upload_goes_on_when_the_page_is_opened_again(open_app, click_during, state: FakeState):
    where: dict[str, bool] = {}
    sent = click_during("a.txt", lambda: where.update(away=True))
    app = drop(open_app(where), "a.txt", "b.txt", "c.txt")
    assert sent == ["a.txt"]
    assert len(app.file_uploader) == 0

    where.clear()
    app.run()
    assert stored(state) == {"a.txt": ALPHA, "b.txt": ALPHA, "c.txt": ALPHA}
    assert sent == ["a.txt", "b.txt", "c.txt"]
    assert "3 files added" in shown(app)


def test_a_run_that_begins_while_a_file_goes_up_does_not_send_it_again(
    client: Client, state: FakeState, monkeypatch: pytest.MonkeyPatch
):
    """Streamlit answers a click by a new thread at once; the old one ends at its next call of Streamlit."""
    sent: list[str] = []
    under_way, go_on = Event(), Event()

    def slow(client: Client, name: str, *arguments: object) -> Upload:
        sent.append(name)
        under_way.set()
        go_on.wait(20)
        return Upload(file_name=name, status="queued")

    monkeypatch.setattr(Client, "upload", slow)
    state.collections[ALPHA] = "Alpha"
    uploading = documents.Uploading()
    uploading.take([Dropped(name) for name in ("a.txt", "b.txt")], ALPHA, forgotten=False)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(documents.upload_all, client, uploading)]
        under_way.wait(20)
        runs.append(pool.submit(documents.upload_all, client, uploading))
        wait(runs, 0.5)  # time to send it, if it did
        go_on.set()
    assert [run.exception() for run in runs] == [None, None]
    assert sent == ["a.txt", "b.txt"]
