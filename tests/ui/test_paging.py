"""Long lists page by page: another list begins at its beginning, a page that is gone is not shown empty."""

from __future__ import annotations

import io
import json

from tests.ui.fake_state import FakeState
from tests.ui.test_evals import client, finished, opened
from tests.ui.test_pages import open_documents, shown
from tests.ui.test_versions_ui import ready
from ui.client import Client

__all__ = ["client", "open_documents"]  # the fixtures

PAGE_OF_ALL = "documents-page-1-None"


def test_another_collection_is_shown_from_its_beginning(open_documents, state: FakeState):
    state.collections[2] = "Contracts"
    for number in range(30):
        ready(state, f"note-{number}.txt")
    for number in range(12):
        state.documents[ready(state, f"lease-{number}.txt")]["collection_id"] = 2
    app = open_documents()
    app.number_input(key=PAGE_OF_ALL).set_value(2).run()
    assert "note-0.txt" in shown(app)
    assert "note-29.txt" not in shown(app)

    app.selectbox(key="collection").select(2).run()
    assert "lease-11.txt" in shown(app)
    assert "This collection is empty" not in shown(app)


def test_a_list_that_became_short_is_shown_from_its_beginning(open_documents, state: FakeState):
    ids = [ready(state, f"note-{number}.txt") for number in range(30)]
    app = open_documents()
    app.number_input(key=PAGE_OF_ALL).set_value(2).run()
    for document_id in ids[:10]:
        del state.documents[document_id]
    app.run()
    assert "note-29.txt" in shown(app)
    assert "This collection is empty" not in shown(app)


def test_pages_of_questions_and_results_belong_to_their_filter(client: Client):
    lines = [{"id": f"q{n}", "question": f"Who sings {n}?", "answerable": False} for n in range(27)]
    records = "\n".join(json.dumps(line) for line in [*lines, {"id": "unsaid", "question": "Who hums?"}])
    set_id = client.evals.upload("Songs", [("songs.jsonl", io.BytesIO(records.encode()))], None).id
    run = client.evals.start(set_id, "answers", None)
    finished(client, run.id)

    app = opened()
    app.number_input(key=f"results-{run.id}-None").set_value(2)
    app.number_input(key=f"page-{set_id}-None").set_value(2).run()
    assert "Who sings 26?" in shown(app)
    app.segmented_control(key=f"outcome-{run.id}").set_value("Could not be scored")
    app.segmented_control(key=f"cases-{set_id}-False").set_value("Ready").run()
    text = shown(app)
    assert "It is not said whether the documents answer it" in text
    assert "Who sings 0?" in text
    assert "No questions here" not in text
