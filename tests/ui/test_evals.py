"""The Evals page in Streamlit's own test runner, on the real service with deterministic models."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.main import create_app
from app.services import Services
from app.settings import Settings
from tests.ui.serving import serve
from tests.ui.test_chat import submit
from tests.ui.test_pages import html_of, shown
from ui.client import ApiError, Client
from ui.eval_compare import rivals
from ui.eval_runs import is_share
from ui.eval_schemas import Judge
from ui.evals_api import Evals

RECORDS = [
    {
        "id": "fare",
        "question": "What does a return ticket cost?",
        "answers": ["4.50 crowns"],
        "passages": [{"id": "1", "title": "Ferry", "text": "A return ticket costs 4.50 crowns."}],
        "gold": ["1"],
    },
    {
        "id": "dogs",
        "question": "May dogs vote in harbour elections?",
        "answers": [],
        "answerable": False,
        "passages": [{"id": "1", "title": "Ferry", "text": "A return ticket costs 4.50 crowns."}],
    },
]


def evals_page() -> None:
    from ui.screens import evals

    evals.page()


@pytest.fixture
def client(
    settings: Settings, build: Callable[[Settings], Services], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    with serve(create_app(settings, build)) as url:
        monkeypatch.setenv("FOOTNOTE_API_URL", url)
        opened = Client(url)
        yield opened
        opened.close()
    st.cache_resource.clear()


def opened() -> AppTest:
    return AppTest.from_function(evals_page, default_timeout=30).run()


def uploaded(client: Client) -> int:
    lines = "\n".join(json.dumps(record) for record in RECORDS).encode()
    return client.evals.upload("Harbour", [("harbour.jsonl", io.BytesIO(lines))], None).id


def finished(client: Client, run_id: int) -> None:
    for _ in range(300):
        if not next(run for run in client.evals.runs() if run.id == run_id).is_open:
            return
        time.sleep(0.1)
    raise AssertionError("the run did not end")


def test_without_sets_the_page_says_what_to_do(client: Client) -> None:
    app = opened()
    assert "Upload or write some under Sets first" in shown(app)
    app.text_input(key="set-name").set_value("Mine")
    submit(app, "Create")
    assert [each.name for each in client.evals.sets()] == ["Mine"]
    app.selectbox(key="open-set").select("Mine").run()
    app.text_input(key="set-name").set_value("Another")
    submit(app, "Create")
    created = next(each.id for each in client.evals.sets() if each.name == "Another")
    assert app.selectbox(key="open-set").value == created  # the one just made is the one to look into


def test_questions_are_written_shown_and_deleted(client: Client) -> None:
    created = client.evals.create("Mine", None)
    app = opened()
    next(box for box in app.text_input if box.label == "Question").set_value("How deep is the bay?")
    next(box for box in app.text_input if box.label == "Answer").set_value("9 fathoms")
    submit(app, "Add")
    [case], _ = client.evals.cases(created.id)
    assert (case.question, case.answers, case.answerable) == ("How deep is the bay?", ("9 fathoms",), True)
    app = opened()
    assert "How deep is the bay?" in shown(app)
    app.button(key=f"delete-case-{case.id}").click().run()
    assert client.evals.cases(created.id) == ([], 0)


def test_a_run_is_started_and_its_measures_are_shown_with_intervals(client: Client) -> None:
    uploaded(client)
    submit(opened(), "Start")
    run = client.evals.runs()[0]
    finished(client, run.id)
    app = opened()
    measures = html_of(app)
    figures = r"<td class=.number.>[^<]+</td><td>[^<]+</td><td class=.number.>1</td>"
    assert re.search(f"<td>f1</td>{figures}", measures)
    assert "false refusals" in measures
    assert "95% bootstrap intervals" in shown(app)


def test_a_configured_judge_is_offered_under_a_notice_and_named_in_the_run(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded(client)
    assert "leave this machine" not in "".join(each.value for each in opened().warning)
    judge = Judge(model="big", host="judge.example", prompt_version="1")
    monkeypatch.setattr(Evals, "judges", lambda _: [judge])
    app = opened()
    assert "leave this machine for judge.example" in app.warning[0].value.replace("\\", "")
    app.checkbox(key="judge").check()
    submit(app, "Start")
    told = shown(app) + "".join(each.value for each in app.error)
    assert "The judge 'big' is not configured" in told.replace("\\", "")
    assert client.evals.runs() == []  # the service does not know it


def test_two_runs_of_one_kind_are_compared_question_by_question(client: Client) -> None:
    set_id = uploaded(client)
    for kind in ("answers", "answers", "retrieval"):
        finished(client, client.evals.start(set_id, kind, None).id)  # type: ignore[arg-type]
    app = opened()
    assert "2 questions in both runs" in shown(app)
    assert "0 questions came out differently" in shown(app)
    assert "Models, settings and configuration are the same." in shown(app)
    assert [each.kind for each in rivals(client.evals.runs()[1], client.evals.runs())] == ["answers"]
    assert rivals(client.evals.runs()[0], client.evals.runs()) == []  # the only one of its kind


def test_a_configuration_is_put_in_force_where_its_difference_is_shown(client: Client) -> None:
    set_id = uploaded(client)
    client.save_configuration("reads less", {"top_k": 2})
    for configuration in (None, "reads less"):
        finished(client, client.evals.start(set_id, "answers", configuration).id)
    app = opened()
    assert "Changed" in shown(app)
    assert "search.top" in shown(app).replace("\\", "")
    app.button(key="adopt").click().run()
    assert client.configurations().in_force == "reads less"
    assert not [button for button in app.button if button.key == "adopt"]  # it is in force now

    app.button(key="leave-configuration").click().run()
    assert client.configurations().in_force == "settings"


def test_every_question_of_a_run_says_what_came_back_and_a_run_is_deleted(client: Client) -> None:
    set_id = uploaded(client)
    client.evals.add_case(set_id, "Who sings?", [], True)
    run = client.evals.start(set_id, "answers", None)
    finished(client, run.id)
    app = opened()
    assert "A return ticket costs 4" in shown(app)
    assert "It has neither an expected answer nor a gold passage" in shown(app)
    app.button(key=f"delete-run-{run.id}").click().run()
    assert client.evals.runs() == []


def test_a_question_that_waits_for_review_is_given_its_answer(client: Client) -> None:
    created = client.evals.create("Mine", None)
    client.evals.add_case(created.id, "How deep?", [], True)
    [case], _ = client.evals.cases(created.id)
    client.evals.change_case(case.id, status="review")
    app = opened()
    assert "1 to review" in shown(app)
    assert "No question is ready to be asked yet" in shown(app)
    app.text_area(key=f"edited-{case.id}-question").set_value("How deep is the bay?")
    app.text_area(key=f"edited-{case.id}-answers").set_value("9 fathoms\n9")
    submit(app, "Save")
    [case], total = client.evals.cases(created.id, "ready")
    assert (case.question, case.answers, total) == ("How deep is the bay?", ("9 fathoms", "9"), 1)


def test_questions_are_asked_for_from_the_documents(client: Client) -> None:
    client.evals.create("Mine", None)
    app = opened()
    submit(app, "Write questions")
    assert "There is no passage left that could be asked about" in shown(app)


def test_a_wrong_file_is_refused_with_the_line(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.evals.upload("Broken", [("broken.jsonl", io.BytesIO(b'{"question": 3}\n'))], None)
    assert "1" in caught.value.failure.cause
    assert client.evals.sets() == []


def test_amounts_are_left_out_of_the_plot_of_shares() -> None:
    assert all(map(is_share, ("f1", "supported_claims", "false_answers", "ndcg@10", "f1_at_3_of_10")))
    assert not any(map(is_share, ("seconds", "first_token_seconds", "prompt_tokens")))
