"""The index over the documents that a set brings: of what the set holds now, and gone with the set."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.settings import Settings
from tests.app.test_eval_command import footnote_eval
from tests.app.test_eval_set_runs import HeldGenerator, ended, start
from tests.fakes import EchoGenerator

__all__ = ["footnote_eval"]  # the fixture

GATE = "The north gate opens at six."
OTHERS = [f"Shelf {number} holds jar {number}." for number in range(79)]


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> EchoGenerator:
    return HeldGenerator() if "held" in request.function.__name__ else EchoGenerator()


def beir(texts: Sequence[str]) -> dict[str, str]:
    """A corpus of these texts with one question, which GATE answers."""
    rows = [json.dumps({"_id": f"d{number}", "text": text}) for number, text in enumerate(texts)]
    query = json.dumps({"_id": "1", "text": "when does the north gate open"})
    qrels = f"1\td{texts.index(GATE)}\t1\n"
    return {"corpus.jsonl": "\n".join(rows), "queries.jsonl": query, "qrels.tsv": qrels}


def upload(client: TestClient, texts: Sequence[str]) -> int:
    parts = [("files", (name, text.encode(), "text/plain")) for name, text in beir(texts).items()]
    created: int = client.post("/v1/eval-sets/upload", params={"name": "gates"}, files=parts).json()["id"]
    return created


def index_folders(settings: Settings) -> list[Path]:
    return list((settings.data_dir / "evals").glob("*/set-*"))


def test_a_corpus_that_was_read_again_is_indexed_anew(
    footnote_eval: Callable[..., Any], settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "gates"
    folder.mkdir()
    for texts in (
        [GATE, *OTHERS],
        [*OTHERS, GATE],
        [*OTHERS[:5], GATE],
        [*OTHERS, "Lunch is at noon.", GATE],
    ):
        for name, text in beir(texts).items():
            (folder / name).write_text(text)
        # the name of a set would be found as it is; spelled so it is a folder, to be read
        run = footnote_eval("run", f"{folder}/", "--kind", "retrieval", "--json")
        assert run.exit_code == 0, run.output
        assert json.loads(run.stdout.splitlines()[-1])["recall@1"]["value"] == 1.0, len(texts)
        assert len(index_folders(settings)) == 1


def test_the_index_goes_with_its_set_and_no_other(client: TestClient, settings: Settings) -> None:
    set_id = upload(client, [GATE, *OTHERS[:3]])
    ended(client, start(client, set_id))
    [mine] = index_folders(settings)
    another = mine.with_name(f"set-{set_id}2-0123456789ab")  # of a set whose id begins alike
    another.mkdir()
    assert client.delete(f"/v1/eval-sets/{set_id}").status_code == 204
    assert index_folders(settings) == [another]


def test_a_held_run_searches_on_when_its_set_is_deleted(
    client: TestClient, settings: Settings, generator: HeldGenerator
) -> None:
    set_id = upload(client, [GATE, *OTHERS[:3]])
    run_id = start(client, set_id)
    assert generator.entered.wait(30)
    assert client.delete(f"/v1/eval-sets/{set_id}").status_code == 204
    assert len(index_folders(settings)) == 1
    generator.go_on.set()
    assert ended(client, run_id)["metrics"]["recall@1"]["value"] == 1.0
    assert index_folders(settings) == []
