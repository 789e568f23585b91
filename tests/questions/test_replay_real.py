"""Answers of the real decoder come out the same again, alone and beside others. `make replay` runs it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.wiring import build_services
from samples.questions import ANSWERABLE
from tests.app.asking import ask, upload
from tests.conftest import ROOT, client_of
from tests.questions.conftest import real_settings

pytestmark = [pytest.mark.weights, pytest.mark.slow, pytest.mark.timeout(1800)]
QUESTIONS = [each.question for each in ANSWERABLE]


@pytest.fixture(scope="module", params=["auto", "plain"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The service over the sample files, decoding by native steps where the machine can, and by torch."""
    settings = real_settings(tmp_path_factory.mktemp("replay"), decode=request.param)
    with client_of(create_app(settings, build_services)) as built:
        files = sorted((ROOT / "samples" / "files").iterdir(), key=lambda path: path.name)
        upload(built, {path.name: path.read_bytes() for path in files})
        yield built


def test_answers_are_reproduced_token_for_token(client: TestClient) -> None:
    """Replayed alone and beside five others; written beside others and replayed alone."""
    alone = [ask(client, question) for question in QUESTIONS]
    with ThreadPoolExecutor(6) as together:
        crowded = list(together.map(lambda question: ask(client, question), QUESTIONS))
        beside = list(together.map(lambda answer: _replay(client, answer), alone))
    calm = [_replay(client, answer) for answer in alone]
    after = [_replay(client, answer) for answer in crowded]
    for name, replays in (("alone", calm), ("beside others", beside), ("written beside others", after)):
        made = [each for each in replays if each is not None]
        same = [each["identical"] for each in made]
        tokens = sum(each["tokens"] for each in made)
        print(f"\n{name}: {sum(same)} of {len(same)} answers identical, {tokens} tokens")
        assert len(made) >= 10
        assert all(not each["changes"] for each in made)
        assert all(same), [each["difference"] for each in made if not each["identical"]]


def _replay(client: TestClient, answer: dict[str, Any]) -> dict[str, Any] | None:
    """The replay; None for a question that was refused before a word was written."""
    response = client.post(f"/v1/messages/{answer['message_id']}/replay")
    if response.status_code == 409:
        return None
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def test_leaving_out_the_cited_passage_costs_most(client: TestClient) -> None:
    answers = [ask(client, question) for question in QUESTIONS[:4]]
    right = 0
    for answer in answers:
        found = client.post(f"/v1/messages/{answer['message_id']}/influence").json()["influences"]
        assert all(abs(each["lost"]) < 100 for each in found)
        heaviest = max(found, key=lambda each: each["lost"])
        right += heaviest["chunk_id"] in {citation["chunk_id"] for citation in answer["citations"]}
    print(f"\nheaviest passage cited: {right} of {len(answers)}")
    assert right >= 3
