"""The large-model judge of evals against a loopback server: verdicts, failures, off by default."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.errors import ConfigurationError
from app.evals.judging.client import Judge
from app.evals.judging.scoring import kappa
from app.main import create_app
from app.services import assemble_services
from app.settings import Settings, load_settings
from tests.app.asking import upload
from tests.app.judge_server import JudgeServer, Reply, judge_server
from tests.app.test_eval_set_runs import ended
from tests.conftest import client_of
from tests.fakes import fake_models

GOOD = '{"correctness": "correct", "groundedness": "grounded"}'
BAD = '{"correctness": "incorrect", "groundedness": "not_grounded"}'


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server() as server:
        server.replies = [(200, GOOD)]
        yield server


@pytest.fixture
def judged(server: JudgeServer, settings: Settings) -> Settings:
    values = settings.model_dump() | {
        "judge_base_url": server.url,
        "judge_model": "big",
        "judge_api_key": "secret",
        "judge_timeout_s": 0.5,
    }
    return Settings.model_validate(values)


def ask_judge(settings: Settings, pauses: list[float] | None = None) -> Any:
    judge = Judge(settings, pause=(pauses if pauses is not None else []).append)
    try:
        return judge.judge("How often?", "Every hour.", ["hourly"], ["It runs every hour."])
    finally:
        judge.close()


def test_a_verdict_is_asked_for_with_a_fixed_prompt_at_temperature_0(
    server: JudgeServer, judged: Settings
) -> None:
    found = ask_judge(judged)
    assert (found.verdict.correctness, found.verdict.groundedness) == ("correct", "grounded")
    assert (found.tries, found.prompt_tokens, found.reply_tokens) == (1, 120, 12)
    [sent] = server.requests
    assert (sent["path"], sent["model"], sent["temperature"]) == ("/v1/chat/completions", "big", 0)
    assert json.loads(sent["messages"][1]["content"])["passages"] == ["It runs every hour."]
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize(
    "content",
    [
        "The answer is correct.",
        f"```json\n{GOOD}\n```",
        '{"correctness": "correct"}',
        '{"correctness": "mostly", "groundedness": "grounded"}',
        '{"correctness": null, "groundedness": "grounded"}',
        GOOD[:-1] + ', "why": "so"}',
        None,
    ],
)
def test_anything_but_the_strict_answer_is_unscorable(
    server: JudgeServer, judged: Settings, content: str | None
) -> None:
    server.replies = [(200, content)]
    found = ask_judge(judged)
    assert found.verdict is None
    assert "judge" in found.reason.lower()
    assert found.tries == 1  # at temperature 0 it would say the same again


@pytest.mark.parametrize(
    ("replies", "tries", "is_judged", "pauses"),
    [
        ([(429, ""), (200, GOOD)], 2, True, [3.0]),
        ([(500, ""), (503, ""), (200, GOOD)], 3, True, [1.0, 2.0]),
        ([(500, "")], 3, False, [1.0, 2.0]),
        ([(401, "")], 1, False, []),
        ([(302, "")], 1, False, []),
    ],
)
def test_what_may_pass_is_tried_again_within_bounds(
    server: JudgeServer,
    judged: Settings,
    replies: list[Reply],
    tries: int,
    is_judged: bool,
    pauses: list[float],
) -> None:
    server.replies = replies
    waited: list[float] = []
    found = ask_judge(judged, waited)
    assert (found.verdict is not None, found.tries, waited) == (is_judged, tries, pauses)
    assert len(server.requests) == tries


def test_a_slow_judge_and_one_that_is_gone_are_unscorable(server: JudgeServer, judged: Settings) -> None:
    server.slow_s = 1.0
    found = ask_judge(judged)
    assert (found.verdict, found.tries) == (None, 3)
    assert "ReadTimeout" in found.reason
    gone = judged.model_copy(update={"judge_base_url": "http://127.0.0.1:9"})
    assert "ConnectError" in ask_judge(gone).reason


def test_no_more_questions_than_allowed_are_before_the_judge(server: JudgeServer, judged: Settings) -> None:
    server.slow_s = 0.1
    judge = Judge(judged.model_copy(update={"judge_timeout_s": 10.0}))
    threads = [threading.Thread(target=judge.judge, args=("q", "a", ["r"], ["p"])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    judge.close()
    assert (len(server.requests), server.most_running) == (6, 2)


@pytest.mark.parametrize(
    "url", ["http://judge.example/v1", "ftp://localhost", "https://me:word@judge.example", "judge.example"]
)
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    with pytest.raises(ConfigurationError, match="JUDGE_BASE_URL"):
        load_settings({"FOOTNOTE_JUDGE_BASE_URL": url})
    assert load_settings({"FOOTNOTE_JUDGE_BASE_URL": "https://judge.example/v1"}).judge_base_url


def test_kappa_is_cohens() -> None:
    pairs = np.array([(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15, dtype=bool)
    assert kappa(pairs) == pytest.approx(0.4)
    assert np.isnan(kappa(np.ones((5, 2), dtype=bool)))


QUESTIONS = [
    {"id": "a", "question": "How often runs the Wend ferry?", "answers": ["Every twenty minutes."],
     "answerable": True},
    {"id": "b", "question": "Who led the reef survey?", "answers": ["Ines Valko"], "answerable": True},
    {"id": "n", "question": "Which colour has the keeper's parrot?", "answerable": False},
]  # fmt: skip


@pytest.fixture
def client(judged: Settings) -> Iterator[TestClient]:
    with client_of(create_app(judged, lambda each: assemble_services(each, fake_models()))) as client:
        upload(
            client,
            {
                "ferry.md": "The Wend ferry runs every twenty minutes.",
                "reef.md": "Ines Valko led the reef survey.",
            },
        )
        yield client


def new_set(client: TestClient) -> int:
    text = "".join(json.dumps(each) + "\n" for each in QUESTIONS)
    files = [("files", ("q.jsonl", text.encode(), "text/plain"))]
    made = client.post("/v1/eval-sets/upload", params={"name": "Boats"}, files=files)
    return int(made.json()["id"])


def test_nothing_is_sent_unless_the_run_names_the_judge(client: TestClient, server: JudgeServer) -> None:
    set_id = new_set(client)
    run = ended(client, client.post("/v1/evals", json={"set_id": set_id}).json()["id"])
    assert server.requests == []
    assert not [name for name in run["metrics"] if name.startswith("judge")]
    for body in ({"judge": "other"}, {"judge": "big", "kind": "retrieval"}):
        refused = client.post("/v1/evals", json={"set_id": set_id, **body})
        assert (refused.status_code, refused.json()["code"]) == (422, "judge_not_configured")
    assert client.get("/v1/evals/judges").json()["items"] == [
        {"model": "big", "host": server.url.split("/")[2], "prompt_version": "1"}
    ]
    assert "secret" not in client.get("/v1/overview").text


def test_the_judges_figures_stand_beside_ours(client: TestClient, server: JudgeServer) -> None:
    set_id = new_set(client)
    plain = ended(client, client.post("/v1/evals", json={"set_id": set_id}).json()["id"])
    server.replies = [(200, GOOD), (200, BAD)]
    run = ended(client, client.post("/v1/evals", json={"set_id": set_id, "judge": "big"}).json()["id"])
    ours = {name: value for name, value in run["metrics"].items() if not name.startswith("judge")}
    assert ours.keys() == plain["metrics"].keys()
    assert all(ours[name] == plain["metrics"][name] for name in ("f1", "supported_claims", "false_answers"))
    assert (run["metrics"]["judge_correct"]["value"], run["metrics"]["judge_correct"]["n"]) == (0.5, 2)
    assert run["metrics"]["judge_unscorable"]["value"] == 0.0
    assert run["metrics"]["judge_correct_kappa"]["n"] == 2
    assert run["config"]["judge"]["model"] == "big"
    rows = client.get(f"/v1/evals/{run['id']}/results").json()["items"]
    told = [row["detail"].get("judge") for row in rows]
    assert told[0]["model"] == "big"
    assert told[0]["prompt_version"] == "1"
    assert told[2] is None  # a refusal has nothing to be judged
    assert len(server.requests) == 2


def test_a_judge_that_talks_is_unscorable_and_our_figures_stay(
    client: TestClient, server: JudgeServer
) -> None:
    server.replies = [(200, "I think it is right.")]
    run = ended(
        client, client.post("/v1/evals", json={"set_id": new_set(client), "judge": "big"}).json()["id"]
    )
    assert run["metrics"]["judge_unscorable"]["value"] == 1.0
    assert "judge_correct" not in run["metrics"]
    assert run["metrics"]["f1"]["n"] == 2
    assert run["metrics"]["unscorable"]["value"] == 0.0
