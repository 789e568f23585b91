"""Questions from the user's own documents: written, answered back, kept for review, never twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.answers.few_shot import FewShotTemplate
from app.evals.generation.filtering import flaw, repeats, says_nothing_new, tidy
from app.evals.generation.passages import in_turns
from app.main import create_app
from app.services import GenerateOptions
from app.settings import load_settings
from app.wiring import build_services
from model.prompt_template import PromptTemplate
from tests.app.asking import upload
from tests.app.test_eval_set_runs import ended
from tests.conftest import ROOT, client_of
from tests.fakes import EchoGenerator

FERRY = (
    "The Wend ferry runs every twenty minutes between six in the morning and nine at night on "
    "all days of the week, and a return ticket costs 4.50 crowns."
)
REEF = (
    "Dr. Ines Valko led the survey of the northern reef until she retired in 2016 with a small "
    "party, and her deputy took over after her in the same year."
)
ASKED = {
    "ferry": "How often runs the Wend ferry on all days?",
    "reef": "Who led the survey of the northern reef?",
}


class Asking(EchoGenerator):
    """Writes a question when it is asked for one; otherwise answers as the echo does."""

    def __init__(self) -> None:
        super().__init__()
        self.questions = dict(ASKED)

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        if "A question that passage" not in segments[-1]:
            yield from super().generate(segments, options, cancelled)
            return
        yield " " + next(line for word, line in self.questions.items() if word in segments[-2])


class HeldAsking(Asking):
    """Waits before each text until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go_on = threading.Event(), threading.Event()

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        self.entered.set()
        assert self.go_on.wait(30)
        yield from super().generate(segments, options, cancelled)


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> Asking:
    return HeldAsking() if "held" in request.function.__name__ else Asking()


@pytest.fixture
def set_id(client: TestClient) -> int:
    """An empty set beside two documents."""
    upload(client, {"ferry.txt": FERRY, "reef.txt": REEF})
    created: int = client.post("/v1/eval-sets", json={"name": "mine"}).json()["id"]
    return created


def generated(client: TestClient, set_id: int, **body: Any) -> dict[str, Any]:
    response = client.post(f"/v1/eval-sets/{set_id}/generate", json=body)
    assert response.status_code == 202, response.text
    return ended(client, response.json()["id"])


def cases(client: TestClient, set_id: int) -> dict[str, dict[str, Any]]:
    found = client.get(f"/v1/eval-sets/{set_id}/cases").json()["items"]
    return {case["question"]: case for case in found}


def test_questions_wait_for_review_with_answer_and_place(client: TestClient, set_id: int) -> None:
    run = generated(client, set_id)
    assert (run["kind"], run["done"], run["total"], run["metrics"]["kept"]["value"]) == ("generate", 2, 2, 1)
    written = cases(client, set_id)
    assert set(written) == set(ASKED.values())
    ferry = written[ASKED["ferry"]]
    assert (ferry["status"], ferry["origin"], ferry["tags"]) == ("review", "generated", ["generated"])
    assert ferry["answers"] == [FERRY]
    assert ferry["gold"][0]["file"] == "ferry.txt"
    assert "twenty minutes" in ferry["gold"][0]["quote"]
    assert ferry["notes"] == ["Written by the decoder: read it before it counts."]


def test_only_what_a_person_accepted_is_asked_by_a_run(client: TestClient, set_id: int) -> None:
    generated(client, set_id)
    refused = client.post("/v1/evals", json={"set_id": set_id})
    assert (refused.status_code, refused.json()["code"]) == (422, "nothing_to_ask")
    case = cases(client, set_id)[ASKED["reef"]]
    names = ("key", "question", "history", "answers", "answerable", "gold", "passages", "tags")
    body = {name: case[name] for name in names} | {"status": "ready"}
    accepted = client.put(f"/v1/eval-cases/{case['id']}", json=body)
    assert (accepted.status_code, accepted.json()["notes"]) == (200, [])
    run = ended(client, client.post("/v1/evals", json={"set_id": set_id}).json()["id"])
    assert (run["total"], run["metrics"]["recall@1"]["value"], run["metrics"]["f1"]["value"]) == (1, 1, 1)


def test_a_passage_is_asked_about_once(client: TestClient, set_id: int) -> None:
    assert generated(client, set_id, passages=1)["total"] == 1
    assert generated(client, set_id)["total"] == 1
    assert len(cases(client, set_id)) == 2
    again = client.post(f"/v1/eval-sets/{set_id}/generate", json={})
    assert (again.status_code, again.json()["code"]) == (422, "nothing_to_ask")


def test_held_runs_that_write_into_a_set_stop_when_it_is_deleted(
    client: TestClient, set_id: int, generator: HeldAsking
) -> None:
    writing, waiting = (
        client.post(f"/v1/eval-sets/{set_id}/generate", json={}).json()["id"] for _ in range(2)
    )
    assert generator.entered.wait(30)
    assert client.delete(f"/v1/eval-sets/{set_id}").status_code == 204
    assert client.get(f"/v1/evals/{waiting}").json()["status"] == "cancelled"
    generator.go_on.set()
    stopped = ended(client, writing, "cancelled")
    assert (stopped["done"], stopped["total"]) == (1, 2)
    again = client.post(f"/v1/evals/{writing}/resume")
    assert (again.status_code, again.json()["code"]) == (409, "eval_run_state")
    assert "was deleted" in again.json()["cause"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("The ferry is slow.", "The decoder wrote no question."),
        (ASKED["reef"], "The set has this question already, or nearly so."),
        (
            "By whom was the survey of the northern reef led, who?",
            "The set has this question already, or nearly so.",
        ),
        (
            "What does the passage say about the ferry?",
            "The question speaks of its passage, which nobody who asks has before them.",
        ),
        ("The Wend ferry?", "The question is too short to be searched for."),
    ],
)
def test_what_is_no_new_question_is_dropped_with_the_reason(
    client: TestClient, set_id: int, generator: Asking, line: str, reason: str
) -> None:
    generator.questions["ferry"] = line
    seed = next(each for each in range(20) if list(in_turns([(1, 1), (2, 2)], each)) == [2, 1])
    run = generated(client, set_id, seed=seed)  # the reef is asked about first
    assert list(cases(client, set_id)) == [ASKED["reef"]]
    assert run["metrics"]["kept"]["value"] == 0.5
    results = client.get(f"/v1/evals/{run['id']}/results").json()["items"]
    assert reason in [row["detail"].get("reason") for row in results]


def test_what_the_passage_does_not_answer_is_dropped(
    client: TestClient, set_id: int, generator: Asking
) -> None:
    generator.answer = " Words that stand nowhere [1]"
    run = generated(client, set_id)
    assert cases(client, set_id) == {}
    results = client.get(f"/v1/evals/{run['id']}/results").json()["items"]
    assert {row["detail"]["reason"] for row in results} == {"The answer does not stand in the passage."}
    assert run["metrics"]["dropped_not_in_passage"]["value"] == 1.0


def test_what_only_repeats_the_question_is_dropped(
    client: TestClient, set_id: int, generator: Asking
) -> None:
    generator.questions["ferry"] = "How often does the Wend ferry run on all days of the week?"
    generator.questions["reef"] = "Who took over, and how, after the survey of the northern reef?"
    generator.answer = " on all days of the week [1]"
    run = generated(client, set_id)
    assert cases(client, set_id) == {}
    assert run["metrics"]["dropped_says_nothing_new"]["value"] == 0.5  # the reef's text lacks these words


def test_what_search_answers_from_another_passage_too_is_dropped(
    client: TestClient, set_id: int, generator: Asking
) -> None:
    """The same answer is not enough where the footnote leads elsewhere."""
    upload(client, {"copy.txt": f"{FERRY} Rain or shine."})
    generator.questions["ferry"] = "How often runs the Wend ferry on all days, rain or shine?"
    order = [(1, 1), (2, 2), (3, 3)]
    seed = next(each for each in range(20) if list(in_turns(order, each)) == [1, 2, 3])
    run = generated(client, set_id, seed=seed)
    results = client.get(f"/v1/evals/{run['id']}/results").json()["items"]
    dropped = {row["detail"]["file"]: row["detail"].get("dropped") for row in results}
    assert dropped == {"ferry.txt": "not_found", "reef.txt": None, "copy.txt": None}


def test_what_search_and_answerer_do_not_answer_back_is_dropped(
    client: TestClient, set_id: int, generator: Asking
) -> None:
    generator.questions["ferry"] = "What became of the northern reef survey of Ines Valko?"  # the other file
    run = generated(client, set_id)
    assert list(cases(client, set_id)) == [ASKED["reef"]]
    dropped = {name: found["value"] for name, found in run["metrics"].items() if name != "kept"}
    assert dropped == {"dropped_not_found": 0.5}


@pytest.mark.parametrize(
    ("question", "drop"),
    [
        ("How much does a ticket for the ferry cost?", None),
        ("Which documents must a visitor bring?", None),
        ("What does the text say about ferries?", "names_the_text"),
        ("What is the main topic of this document?", "names_the_text"),
        ("Who is he in the following passage?", "names_the_text"),
        ("The ferry?", "too_short"),
        ("Who is it?", "points_outside"),
        ("Who sings?", "too_short"),
        ("What did he do with the old ferry?", "points_outside"),
        ("Which town did they reach in May?", "points_outside"),
        ("What were these rules made for?", "points_outside"),
        ("Who was excluded from the study?", "points_outside"),
        ("What did the authors of the harbour plan say?", None),
        ("How long does it take to cross the Wend?", None),
        ("Why was it hard to cross the Wend?", None),
        ("What did the ferryman do with his boat?", None),
        ("The ferry runs.", "no_question"),
    ],
)
def test_words_that_nobody_would_ask_are_dropped(question: str, drop: str | None) -> None:
    assert flaw(question) == drop


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("who opened the bridge in 1931", "Who opened the bridge in 1931?"),
        ("in which year was the bridge opened", "In which year was the bridge opened?"),
        ("When it rained, the ferry stopped.", "When it rained, the ferry stopped."),
        ("Will Smith sings", "Will Smith sings"),
        ("Is the bridge open?", "Is the bridge open?"),
        ("The ferry is slow.", "The ferry is slow."),
        ("Whoever sings", "Whoever sings"),
        ("", ""),
    ],
)
def test_a_line_that_begins_like_a_question_is_written_as_one(line: str, question: str) -> None:
    assert tidy(line) == question


def test_an_answer_in_the_question_s_own_words_says_nothing_new() -> None:
    assert says_nothing_new("What was the name of the PT boat that sank?", "A PT boat")
    assert not says_nothing_new("What was the name of the PT boat that sank?", "PT boat 109")


def test_questions_in_nearly_the_same_words_are_one_unless_a_number_differs() -> None:
    asked = ["How much is a return ticket for the ferry in 2024?"]
    assert repeats("How much is the return ticket for a ferry in 2024?", asked)
    assert not repeats("How much is a return ticket for the ferry in 2025?", asked)
    assert not repeats("Who sells a return ticket for the ferry?", asked)
    assert not repeats("How much is a ticket?", [])


@pytest.mark.slow
def test_the_real_decoder_keeps_only_what_is_answered_back(tmp_path: Path) -> None:
    settings = load_settings({}, data_dir=tmp_path / "data")
    with client_of(create_app(settings, build_services)) as client:
        files = ("employee-handbook.pdf", "travel-and-expense-policy.docx", "pellucid-4-faq.html")
        upload(client, {name: (ROOT / "samples" / "files" / name).read_bytes() for name in files})
        set_id = client.post("/v1/eval-sets", json={"name": "mine"}).json()["id"]
        response = client.post(f"/v1/eval-sets/{set_id}/generate", json={"passages": 12})
        run = ended(client, response.json()["id"], within_s=900)
        kept = cases(client, set_id)
        assert 0 < len(kept) < 12
        assert all(flaw(question) is None for question in kept)
        shares = [found["value"] for found in run["metrics"].values()]
        assert sum(shares) == pytest.approx(1.0)  # kept, or dropped for one reason


def test_the_documents_take_turns_in_an_order_that_the_seed_fixes() -> None:
    rows = [(1, 11), (1, 12), (1, 13), (2, 21), (3, 31)]
    order = list(in_turns(rows, seed=5))
    assert order == list(in_turns(reversed(rows), seed=5))
    assert sorted(order) == [11, 12, 13, 21, 31]
    assert {chunk_id // 10 for chunk_id in order[:3]} == {1, 2, 3}
    assert any(list(in_turns(rows, seed)) != order for seed in range(6, 12))


def test_every_template_asks_in_its_own_words() -> None:
    assert PromptTemplate().ask_segment(2) == "\nA question that passage [2] answers:"
    assert FewShotTemplate().ask_segment(1) == "Question:"
