"""Files on their way up: a click in the middle takes nothing away and has nothing sent twice."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from tests.ui.fake_state import FakeState
from tests.ui.test_pages import open_documents, shown
from ui.client import Client
from ui.schemas import Upload

__all__ = ["open_documents"]  # the fixture


def test_an_upload_that_a_click_interrupts_goes_on_with_the_other_files(
    open_documents, state: FakeState, monkeypatch: pytest.MonkeyPatch
):
    sent: list[str] = []
    upload = Client.upload

    def clicked_meanwhile(client: Client, name: str, *arguments: Any, **options: Any) -> Upload:
        sent.append(name)
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        context.script_requests.request_rerun(RerunData())
        return upload(client, name, *arguments, **options)

    monkeypatch.setattr(Client, "upload", clicked_meanwhile)
    app = open_documents()
    app.file_uploader[0].set_value(
        [(name, b"some text", "text/plain") for name in ("a.txt", "b.txt", "c.txt")]
    )
    app.run()

    assert sent == ["a.txt", "b.txt", "c.txt"]
    assert "3 files added" in shown(app)
    assert "in this collection already" not in shown(app)
    assert app.file_uploader[0].value == []
