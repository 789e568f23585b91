"""Runs over sets: in the background over HTTP, on the command line behind a gate, on the fakes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.accounts.types import Account
from app.db import Sessions
from app.evals import repository as all_runs
from app.evals.runs import repository
from app.evals.runs.execution import execute
from app.jobs.identity import new_worker_id
from app.jobs.worker import run_worker
from app.main import create_app
from app.services import Services
from app.settings import Settings
from app.tables import EvalRun
from tests.app.factories import second_user
from tests.conftest import client_of
from tests.fakes import EchoGenerator, fake_ingest_models

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"
REEF = "# Reef\n\nDr. Ines Valko led the survey of the northern reef until 2016.\n"
ECHOED = "Ferry The Wend ferry runs every twenty minutes."  # the fake answers heading and all
QUESTIONS: list[dict[str, Any]] = [
    {
        "key": "ferry",
        "question": "How often runs the Wend ferry?",
        "answers": [ECHOED],
        "answerable": True,
        "gold": [{"file": "ferry.md", "quote": "runs every twenty minutes"}],
    },
    {
        "key": "reef",
        "question": "Who led the survey of the northern reef?",
        "answers": ["Ines Valko"],
        "answerable": True,
        "gold": [{"file": "reef.md"}],
        "tags": ["people"],
    },
    {"key": "parrot", "question": "Which colour has the lighthouse keeper's parrot?", "answerable": False},
    {"key": "unknown", "question": "Does the ferry run on Sundays?"},
    {"key": "gone", "question": "Who sings?", "answerable": True, "gold": [{"file": "deleted.md"}]},
]


def services_of(client: TestClient) -> Services:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


@pytest.fixture
def set_id(client: TestClient) -> int:
    """A set of five questions about two uploaded documents."""
    texts = {"ferry": FERRY, "reef": REEF}
    files = [("files", (f"{name}.md", text.encode(), "text/markdown")) for name, text in texts.items()]
    client.post("/v1/documents", files=files)
    services = services_of(client)
    run_worker(
        services.settings, services.engine, services.blobs, fake_ingest_models(),
        stop=threading.Event(), until_idle=True,
    )  # fmt: skip
    created: int = client.post("/v1/eval-sets", json={"name": "both"}).json()["id"]
    for question in QUESTIONS:
        assert client.post(f"/v1/eval-sets/{created}/cases", json=question).status_code == 201
    return created


def start(client: TestClient, set_id: int, **body: Any) -> int:
    response = client.post("/v1/evals", json={"set_id": set_id, **body})
    assert response.status_code == 202, response.text
    run_id: int = response.json()["id"]
    return run_id


def ended(client: TestClient, run_id: int, *statuses: str, within_s: float = 60) -> dict[str, Any]:
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        run: dict[str, Any] = client.get(f"/v1/evals/{run_id}").json()
        if run["status"] in (statuses or ("done",)):
            return run
        assert run["status"] in ("queued", "running"), run
        time.sleep(0.02)
    pytest.fail(f"run {run_id} did not end: {run}")


def values(run: dict[str, Any]) -> dict[str, tuple[float | None, int]]:
    return {name: (interval["value"], interval["n"]) for name, interval in run["metrics"].items()}


def test_a_run_asks_every_question_and_counts_what_cannot_be_scored(client: TestClient, set_id: int) -> None:
    run = ended(client, start(client, set_id))
    assert (run["done"], run["total"], run["name"], run["set_id"]) == (5, 5, "both", set_id)
    assert run["config"]["configuration"] == "settings"
    measured = values(run)
    for name in ("recall@1", "recall@10", "ndcg@10", "mrr@10", "citation_recall", "citation_precision"):
        assert measured[name] == (1.0, 2), name
    assert measured["exact_match"] == (0.5, 2)
    assert measured["false_answers"] == (0.0, 1)
    assert measured["false_refusals"] == (0.0, 2)
    assert measured["supported_claims"] == (1.0, 2)
    assert measured["unscorable"] == (pytest.approx(0.4), 5)
    results = client.get(f"/v1/evals/{run['id']}/results").json()
    by_key = {row["key"]: row for row in results["items"]}
    assert by_key["ferry"]["detail"]["cited"] == ["ferry.md"]
    assert by_key["unknown"]["outcome"] == "unscorable"
    assert by_key["gone"]["detail"]["reason"] == "The gold deleted.md is not among what is asked."
    left = client.get(f"/v1/evals/{run['id']}/results", params={"outcome": "unscorable"}).json()
    assert (left["total"], [row["key"] for row in left["items"]]) == (2, ["unknown", "gone"])


def test_evals_answer_as_the_chat_does(client: TestClient, set_id: int) -> None:
    run = ended(client, start(client, set_id))
    results = client.get(f"/v1/evals/{run['id']}/results").json()["items"]
    for row in results:
        if row["outcome"] == "scored":
            chat = client.post("/v1/ask", json={"question": row["question"]}).json()
            assert (row["detail"]["state"], row["detail"]["answer"]) == (chat["state"], chat["answer"])
            assert row["detail"]["cited"] == list(dict.fromkeys(c["file_name"] for c in chat["citations"]))


def test_two_runs_of_the_same_code_give_the_same_rates(client: TestClient, set_id: int) -> None:
    first, second = (ended(client, start(client, set_id)) for _ in range(2))
    timed = ("seconds", "first_token_seconds")
    for run in (first, second):
        for name in timed:
            run["metrics"].pop(name)
    assert first["metrics"] == second["metrics"]
    compared = client.get(f"/v1/evals/{second['id']}/compare", params={"baseline": first["id"]}).json()
    assert (compared["questions"], compared["only_in_one"], compared["changed_config"]) == (3, 2, {})
    assert {case["change"] for case in compared["cases"]} == {"same"}


def test_a_configuration_is_adopted_on_the_comparison_with_the_one_in_force(
    client: TestClient, set_id: int
) -> None:
    values = {"name": "too strict", "config": {"evidence_threshold": 1.0}}
    saved = client.post("/v1/configurations", json=values).json()
    baseline = start(client, set_id, kind="answers")
    candidate = start(client, set_id, configuration="too strict")
    ended(client, candidate)
    compared = client.get(f"/v1/evals/{candidate}/compare", params={"baseline": baseline}).json()
    assert compared["changed_config"]["search.evidence_threshold"] == [0.3, 1.0]
    assert compared["cases"][0]["change"] == "worse"
    assert compared["cases"][0]["candidate"]["detail"]["state"] == "refused"

    adopt = f"/v1/configurations/{saved['id']}/adopt"
    swapped = client.post(adopt, json={"baseline_run_id": candidate, "candidate_run_id": baseline})
    assert (swapped.status_code, swapped.json()["code"]) == (409, "comparison_required")
    body = {"baseline_run_id": baseline, "candidate_run_id": candidate, "reason": "For show."}
    adopted = client.post(adopt, json=body).json()
    assert adopted["in_force"]
    assert adopted["adoption"]["measures"]["false_refusals"]["delta"]["value"] > 0
    assert adopted["adoption"]["reason"] == "For show."
    again = client.post(adopt, json=body)  # what is in force now is another one
    assert again.json()["code"] == "comparison_required"
    assert client.post("/v1/ask", json={"question": "Who sings?"}).json()["refusal"]["threshold"] == 1.0


def test_retrieval_alone_and_a_tag(client: TestClient, set_id: int) -> None:
    run = ended(client, start(client, set_id, kind="retrieval", tag="people"))
    assert (run["total"], values(run)["recall@1"]) == (1, (1.0, 1))
    assert "f1" not in run["metrics"]
    assert client.post("/v1/evals", json={"set_id": set_id, "kind": "claims"}).status_code == 422
    nothing = ended(client, start(client, set_id, tag="nobody"), "failed")
    assert nothing["error"]["code"] == "nothing_to_ask"


def passages_set(client: TestClient, own: int) -> int:
    """One question with its own passages, the gold one among `own` others that do not hold the answer."""
    others = [{"id": f"p{n}", "text": f"The gate number {n} is painted green."} for n in range(own)]
    gold = {"id": "gold", "text": "The north gate opens at six."}
    created: int = client.post("/v1/eval-sets", json={"name": f"own {own}"}).json()["id"]
    case = {
        "question": "When does the north gate open?",
        "answers": ["The north gate opens at six."],
        "answerable": True,
        "passages": [*others, gold],
        "gold": ["gold"],
    }
    response = client.post(f"/v1/eval-sets/{created}/cases", json=case)
    assert response.status_code == 201, response.text
    return created


def test_sweeps_place_the_gold_passage(client: TestClient, generator: EchoGenerator) -> None:
    set_id = passages_set(client, 10)
    run = ended(client, start(client, set_id, kind="positions"))
    # the fake answers from the last passage alone: only there the gold one is read
    measured = values(run)
    worst, best = measured["f1_at_1_of_10"][0] or 0.0, measured["f1_at_10_of_10"][0]
    assert (run["total"], best) == (5, 1.0)
    assert worst < 0.5
    assert measured["best_minus_worst"] == (pytest.approx(1.0 - worst), 1)
    last = [prompt for prompt in generator.prompts if "north gate" in prompt][-1]
    assert last.index("[10]") < last.index("north gate opens at six")
    assert all(f"[{number}] The gate number" in last for number in range(1, 10))

    noise = ended(client, start(client, set_id, kind="noise"))
    assert values(noise)["f1_with_0"] == values(noise)["f1_with_10"] == (1.0, 1)
    assert values(noise)["lost_to_noise"] == (0.0, 1)
    assert [prompt.count("gate number") for prompt in generator.prompts[-7:]] == [0, 1, 2, 4, 6, 8, 10]


def test_a_sweep_without_enough_distractors_is_unscorable(client: TestClient) -> None:
    run = ended(client, start(client, passages_set(client, 3), kind="noise"))
    assert values(run)["unscorable"] == (1.0, 1)
    assert run["metrics"]["f1_with_0"]["value"] is None
    [row, *_] = client.get(f"/v1/evals/{run['id']}/results").json()["items"]
    assert row["detail"]["reason"] == "Only 3 of 10 passages could stand beside the gold one."


def test_a_set_with_a_corpus_asks_it_and_not_the_documents(client: TestClient, set_id: int) -> None:
    files = {
        "corpus.jsonl": '{"_id": "d1", "title": "Gate", "text": "The north gate opens at six."}\n'
        '{"_id": "d2", "title": "", "text": "Lunch is at noon."}\n',
        "queries.jsonl": json.dumps({"_id": "1", "text": "when does the north gate open"}) + "\n",
        "qrels.tsv": "1\td1\t1\n",
    }  # fmt: skip
    parts = [("files", (name, text.encode(), "text/plain")) for name, text in files.items()]
    judged = client.post("/v1/eval-sets/upload", params={"name": "judged"}, files=parts).json()["id"]
    for _ in range(2):  # the second run finds the corpus indexed
        run = ended(client, start(client, judged))
        assert values(run)["ndcg@10"] == values(run)["citation_recall"] == (1.0, 1)
        [row] = client.get(f"/v1/evals/{run['id']}/results").json()["items"]
        assert row["detail"]["found"][0] == "d1"


class HeldGenerator(EchoGenerator):
    """Waits before each answer until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go_on = threading.Event(), threading.Event()

    def generate(self, *arguments: Any) -> Any:
        self.entered.set()
        assert self.go_on.wait(30)
        return super().generate(*arguments)


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> EchoGenerator:
    return HeldGenerator() if "held" in request.function.__name__ else EchoGenerator()


def test_a_held_run_is_cancelled_and_resumed_without_asking_again(
    client: TestClient, set_id: int, generator: HeldGenerator
) -> None:
    run_id = start(client, set_id)
    assert generator.entered.wait(30)
    waiting = start(client, set_id)
    assert client.delete(f"/v1/evals/{run_id}").json()["code"] == "eval_run_state"
    assert client.post(f"/v1/evals/{waiting}/cancel").json()["status"] == "cancelled"  # before it began
    assert client.post(f"/v1/evals/{run_id}/cancel").status_code == 202
    generator.go_on.set()
    cancelled = ended(client, run_id, "cancelled")
    assert (cancelled["done"], cancelled["total"], cancelled["metrics"]) == (1, 5, None)
    assert client.post(f"/v1/evals/{run_id}/cancel").json()["code"] == "eval_run_state"

    asked = len(generator.prompts)
    assert client.post(f"/v1/evals/{run_id}/resume").status_code == 202
    resumed = ended(client, run_id)
    assert (resumed["done"], values(resumed)["recall@1"]) == (5, (1.0, 2))
    assert len(generator.prompts) == asked + 1  # only the second answerable question
    assert client.post(f"/v1/evals/{run_id}/resume").json()["code"] == "eval_run_state"
    assert client.delete(f"/v1/evals/{run_id}").status_code == 204
    assert client.get(f"/v1/evals/{run_id}/results").json()["code"] == "eval_run_not_found"


def test_a_held_run_outlives_a_restart_as_interrupted(
    settings: Settings, build: Callable[[Settings], Services], generator: HeldGenerator
) -> None:
    with client_of(create_app(settings, build)) as first:
        set_id = passages_set(first, 2)
        again = first.get(f"/v1/eval-sets/{set_id}/cases").json()["items"][0] | {"key": "again"}
        kept = ("key", "question", "answers", "answerable", "passages", "gold")
        first.post(f"/v1/eval-sets/{set_id}/cases", json={name: again[name] for name in kept})
        run_id = start(first, set_id)
        assert generator.entered.wait(30)
        threading.Timer(0.3, generator.go_on.set).start()  # while the service is stopping
    with client_of(create_app(settings, build)) as second:
        run = second.get(f"/v1/evals/{run_id}").json()
        assert (run["status"], run["done"], run["total"]) == ("interrupted", 1, 2)
        assert run["error"]["code"] == "eval_interrupted"
        second.post(f"/v1/evals/{run_id}/resume")
        assert (ended(second, run_id)["done"], ended(second, run_id)["error"]) == (2, None)


def test_the_run_of_a_process_that_died_is_marked(client: TestClient, set_id: int) -> None:
    services = services_of(client)
    dead = new_worker_id().split("|")
    dead[1] = "999999999"
    with services.sessions.begin() as session:
        run = all_runs.add(session, 1, "answers", "both", {}, "|".join(dead))
        run.set_id, run.status = set_id, "running"
        run_id = run.id
        old = all_runs.add(session, 1, "claims", "file", {})  # of the first release: nobody knows its holder
        old.status = "running"
        old_id = old.id
    start(client, set_id)  # wakes the runner, which tidies up
    assert ended(client, run_id, "interrupted")["error"]["code"] == "eval_interrupted"
    assert client.get(f"/v1/evals/{old_id}").json()["status"] == "running"


def test_a_run_does_not_go_on_with_another_model(client: TestClient, set_id: int) -> None:
    run = ended(client, start(client, set_id))
    services = services_of(client)
    with services.sessions.begin() as session:
        row = session.get_one(EvalRun, run["id"])
        row.config = {**row.config, "generator": "another"}
        row.status = "interrupted"
    client.post(f"/v1/evals/{run['id']}/resume")
    failed = ended(client, run["id"], "failed")
    assert failed["error"]["code"] == "eval_run_changed"
    assert "generator" in failed["error"]["cause"]


def test_runs_of_different_kinds_or_sets_are_not_compared(client: TestClient, set_id: int) -> None:
    answers = ended(client, start(client, set_id))["id"]
    retrieval = ended(client, start(client, set_id, kind="retrieval"))["id"]
    refused = client.get(f"/v1/evals/{retrieval}/compare", params={"baseline": answers})
    assert (refused.status_code, refused.json()["code"]) == (422, "runs_not_comparable")


def test_somebody_elses_set_and_run_do_not_exist(client: TestClient, set_id: int) -> None:
    mine = ended(client, start(client, set_id))["id"]
    services = services_of(client)
    other = second_user(services.sessions)
    with services.sessions.begin() as session:
        theirs = all_runs.add(session, other.id, "answers", "theirs", {})
        theirs.status, theirs.set_id = "cancelled", set_id
        run_id = theirs.id
    requests: list[tuple[str, str, Any]] = [
        ("GET", f"/v1/evals/{run_id}", None),
        ("DELETE", f"/v1/evals/{run_id}", None),
        ("POST", f"/v1/evals/{run_id}/cancel", None),
        ("POST", f"/v1/evals/{run_id}/resume", None),
        ("GET", f"/v1/evals/{run_id}/results", None),
        ("GET", f"/v1/evals/{run_id}/compare?baseline={mine}", None),
        ("GET", f"/v1/evals/{mine}/compare?baseline={run_id}", None),
    ]
    for method, path, body in requests:
        response = client.request(method, path, json=body)
        assert (response.status_code, response.json()["code"]) == (404, "eval_run_not_found"), (method, path)
    assert client.post("/v1/evals", json={"set_id": 999}).json()["code"] == "eval_set_not_found"


def test_only_one_holder_takes_a_run_and_a_late_one_changes_nothing(
    sessions: Sessions, user: Account
) -> None:
    with sessions.begin() as session:
        run = all_runs.add(session, user.id, "answers", "x", {})
        repository.queue(run)
        session.flush()
        run_id = run.id
        assert repository.take(session, run_id, "first|1|1|a")
        assert not repository.take(session, run_id, "second|1|1|a")
        assert repository.heartbeat(session, run_id, "first|1|1|a")
        assert not repository.heartbeat(session, run_id, "second|1|1|a")
        repository.finish(session, run_id, "second|1|1|a", "done", metrics={})
    with sessions() as session:
        assert session.get_one(EvalRun, run_id).status == "running"


def test_an_unexpected_failure_ends_the_run(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with services.sessions.begin() as session:
        run = all_runs.add(session, 1, "answers", "x", {}, "me|1|1|a")
        run.status, run_id = "running", run.id
    monkeypatch.setattr("app.evals.runs.execution.conditions", lambda _: 1 / 0)
    execute(services, run_id, "me|1|1|a", lambda: False, lambda *_: None, lambda: None)
    with services.sessions() as session:
        ended_run = session.get_one(EvalRun, run_id)
        assert (ended_run.status, ended_run.error and ended_run.error["code"]) == ("failed", "internal_error")
