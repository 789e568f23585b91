"""Ask, search and conversations over HTTP, on fake models and real ingest, SQL and indexes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.answers.few_shot import FewShotTemplate
from app.jobs.worker import run_worker
from app.services import GenerateOptions, Services
from tests.fakes import EchoGenerator, fake_ingest_models

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"
REEF = "# Reef\n\nDr. Ines Valko led the survey of the northern reef until 2016.\n"


@pytest.fixture
def upload(client: TestClient) -> Callable[..., list[int]]:
    """Uploads Markdown texts and works until they are ready; returns document ids."""

    def run(**texts: str) -> list[int]:
        files = [("files", (f"{name}.md", text.encode(), "text/markdown")) for name, text in texts.items()]
        response = client.post("/v1/documents", files=files)
        assert response.status_code == 202, response.text
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        run_worker(
            services.settings,
            services.engine,
            services.blobs,
            fake_ingest_models(),
            stop=threading.Event(),
            until_idle=True,
        )
        return [row["document_id"] for row in response.json()["documents"]]

    return run


def ask(client: TestClient, question: str, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/ask", json={"question": question, **body})
    assert response.status_code == 200, response.text
    result: dict[str, Any] = response.json()
    return result


def events(client: TestClient, question: str, **body: Any) -> list[tuple[str, dict[str, Any]]]:
    with client.stream("POST", "/v1/ask", json={"question": question, "stream": True, **body}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        blocks = "".join(response.iter_text()).strip().split("\n\n")
    pairs = [block.split("\n", 1) for block in blocks]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def test_an_answer_carries_footnotes_that_open_the_exact_passage(
    client: TestClient, upload: Callable[..., list[int]]
) -> None:
    document_id, _ = upload(ferry=FERRY, reef=REEF)
    answer = ask(client, "How often runs the Wend ferry?")
    assert answer["state"] == "answered"
    (citation,) = answer["citations"]
    assert citation["document_id"] == document_id
    assert citation["file_name"] == "ferry.md"
    assert citation["verdict"] == "supported"
    page = client.get(f"/v1/documents/{document_id}/pages/1").json()
    assert page["text"][citation["start"] : citation["end"]] == citation["text"]
    assert "every twenty minutes" in citation["text"]
    claim = answer["answer"][citation["claim_start"] : citation["claim_end"]]
    assert claim.endswith(f"[{citation['number']}]")
    assert answer["tokens"]["prompt"] > 0
    assert {"search", "rerank", "generate", "check", "total"} <= answer["timings_ms"].keys()


def test_a_question_the_documents_do_not_answer_is_refused_with_reasons(
    client: TestClient, upload: Callable[..., list[int]], generator: EchoGenerator
) -> None:
    _, broken_id = upload(ferry=FERRY, broken="%PDF-1.7 and then nothing")
    answer = ask(client, "Which colour has the lighthouse keeper's parrot?")
    assert (answer["state"], answer["answer"], answer["citations"]) == ("refused", "", [])
    assert answer["sources"] == []
    assert [source["file_name"] for source in answer["also_retrieved"]] == ["ferry.md"]  # the nearest miss
    assert answer["refusal"] == {
        "reason": "weak_evidence",
        "best_score": pytest.approx(0.0),
        "threshold": 0.3,
        "documents_ready": 1,
        "documents_pending": 0,
        "documents_failed": 1,
        "near_misses": [
            {"number": 1, "file_name": "ferry.md", "page": None, "score": 0.0, "short_by": 0.3},
        ],
        "filters": {"collections": [], "documents": []},
        "failed_files": [
            {
                "document_id": broken_id,
                "file_name": "broken.md",
                "code": "file_truncated",
                "cause": "The file ends before its table of contents.",
            }
        ],
        "pending_files": [],
    }
    assert answer["coverage"] == {"searched": 1, "pending": 0, "failed": 1}
    assert answer["grounding"] == "refused"
    assert generator.prompts == []


def test_without_documents_the_refusal_says_so(client: TestClient) -> None:
    assert ask(client, "Anything there?")["refusal"]["reason"] == "no_documents"


def test_a_model_that_finds_nothing_is_a_refusal(
    client: TestClient, upload: Callable[..., list[int]], generator: EchoGenerator
) -> None:
    upload(ferry=FERRY)
    generator.answer = " ."
    assert ask(client, "How often runs the Wend ferry?")["refusal"]["reason"] == "no_answer_found"


def test_the_marker_of_a_refusal_is_a_refusal_and_never_shown(
    client: TestClient, upload: Callable[..., list[int]], generator: EchoGenerator
) -> None:
    upload(ferry=FERRY)
    generator.answer = " [0]"
    told = events(client, "How often runs the Wend ferry?")
    assert [name for name, _ in told] == ["question", "sources", "citations", "done"]
    done = told[-1][1]
    assert (done["state"], done["answer"], done["citations"]) == ("refused", "", [])
    assert done["refusal"]["reason"] == "no_answer_found"


def test_the_marker_of_a_refusal_is_dropped_from_an_answer(
    client: TestClient, upload: Callable[..., list[int]], generator: EchoGenerator
) -> None:
    upload(ferry=FERRY)
    generator.answer = " Every twenty [0] minutes [1]"
    told = events(client, "How often runs the Wend ferry?")
    assert "".join(data["text"] for name, data in told if name == "token") == "Every twenty minutes [1]"
    assert (told[-1][1]["state"], told[-1][1]["answer"]) == ("answered", "Every twenty minutes [1]")


def test_a_decoder_without_adapter_answers_from_the_best_passage(
    client: TestClient, upload: Callable[..., list[int]], generator: EchoGenerator
) -> None:
    upload(ferry=FERRY, reef=REEF)
    generator.template = FewShotTemplate()
    answer = ask(client, "How often runs the Wend ferry?")
    assert (answer["state"], answer["citations"][0]["file_name"]) == ("answered", "ferry.md")
    assert "REEF" not in generator.prompts[0]


def test_stream_tells_sources_first_then_tokens_then_citations(
    client: TestClient, upload: Callable[..., list[int]]
) -> None:
    upload(ferry=FERRY)
    told = events(client, "How often runs the Wend ferry?")
    names = [name for name, _ in told]
    assert names[:2] == ["question", "sources"]
    assert names[-2:] == ["citations", "done"]
    assert set(names[2:-2]) == {"token"}
    done = told[-1][1]
    assert "".join(data["text"] for name, data in told if name == "token") == done["answer"]
    assert told[-2][1]["citations"] == done["citations"]
    assert told[1][1]["sources"][0]["file_name"] == "ferry.md"


def test_characters_that_end_lines_elsewhere_do_not_cut_an_event(client: TestClient) -> None:
    question = "How often\u2028runs\u2029the\x85ferry?"
    body = {"question": question, "stream": True}
    with client.stream("POST", "/v1/ask", json=body) as response:
        lines = list(response.iter_lines())  # split as str.splitlines does
    assert all(line.startswith(("event: ", "data: ")) for line in lines if line)
    assert json.loads(lines[1].removeprefix("data: "))["question"] == question


def test_streamed_and_plain_answers_are_the_same(
    client: TestClient, upload: Callable[..., list[int]]
) -> None:
    upload(ferry=FERRY)
    plain = ask(client, "How often runs the Wend ferry?")
    streamed = events(client, "How often runs the Wend ferry?")[-1][1]
    volatile = {"message_id", "conversation_id", "timings_ms", "created_at"}
    assert {k: v for k, v in plain.items() if k not in volatile} == {
        k: v for k, v in streamed.items() if k not in volatile
    }


def test_a_conversation_survives_and_shows_its_rewrites(
    client: TestClient, upload: Callable[..., list[int]], generator: EchoGenerator
) -> None:
    upload(ferry=FERRY)
    first = ask(client, "How often runs the Wend ferry?")
    generator.answer = " How often runs the Wend ferry at night? [1]"
    second = ask(client, "And at night?", conversation_id=first["conversation_id"])
    assert "ferry" in second["standalone_question"]
    stored = client.get(f"/v1/conversations/{first['conversation_id']}").json()
    assert [message["question"] for message in stored["messages"]] == [
        "How often runs the Wend ferry?",
        "And at night?",
    ]
    assert stored["messages"][0] == first
    assert client.get("/v1/conversations").json()["items"][0]["id"] == first["conversation_id"]
    assert client.delete(f"/v1/conversations/{first['conversation_id']}").status_code == 204
    gone = client.get(f"/v1/conversations/{first['conversation_id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "conversation_not_found")


def test_a_citation_outlives_its_document_but_the_document_answers_no_more(
    client: TestClient, upload: Callable[..., list[int]]
) -> None:
    (document_id,) = upload(ferry=FERRY)
    first = ask(client, "How often runs the Wend ferry?")
    assert client.delete(f"/v1/documents/{document_id}").status_code == 204
    assert ask(client, "How often runs the Wend ferry?")["state"] == "refused"
    stored = client.get(f"/v1/conversations/{first['conversation_id']}").json()
    (kept,), (written,) = stored["messages"][0]["citations"], first["citations"]
    assert (written.pop("document")["state"], kept.pop("document")["state"]) == ("current", "deleted")
    assert kept == written


def test_a_failing_generator_fails_the_answer_and_nothing_else(
    client: TestClient,
    upload: Callable[..., list[int]],
    generator: EchoGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload(ferry=FERRY)

    def broken(prompt: str, options: GenerateOptions, cancelled: Callable[[], bool]) -> Iterator[str]:
        yield " The"
        raise RuntimeError("device lost")

    monkeypatch.setattr(generator, "generate", broken)
    response = client.post("/v1/ask", json={"question": "How often runs the Wend ferry?"})
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "device lost" not in response.text
    monkeypatch.undo()
    (conversation,) = client.get("/v1/conversations").json()["items"]
    (message,) = client.get(f"/v1/conversations/{conversation['id']}").json()["messages"]
    assert (message["state"], message["error"]["code"]) == ("failed", "internal_error")
    assert ask(client, "How often runs the Wend ferry?")["state"] == "answered"


def test_a_cancelled_answer_is_kept_and_marked(
    client: TestClient,
    upload: Callable[..., list[int]],
    generator: EchoGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload(ferry=FERRY)

    def cancel_itself(prompt: str, options: GenerateOptions, cancelled: Callable[[], bool]) -> Iterator[str]:
        yield " The Wend ferry"
        (conversation,) = client.get("/v1/conversations").json()["items"]
        (message,) = client.get(f"/v1/conversations/{conversation['id']}").json()["messages"]
        assert message["state"] == "pending"
        cancelling = client.post(f"/v1/messages/{message['message_id']}/cancel")
        assert (cancelling.status_code, cancelling.json()["state"]) == (202, "cancelling")
        assert cancelled()

    monkeypatch.setattr(generator, "generate", cancel_itself)
    answer = ask(client, "How often runs the Wend ferry?")
    assert answer["state"] == "cancelled"
    assert answer["answer"].startswith("The Wend ferry")


def test_search_shows_every_score_and_obeys_the_scope(
    client: TestClient, upload: Callable[..., list[int]]
) -> None:
    ferry_id, reef_id = upload(ferry=FERRY, reef=REEF)
    body = {"question": "Who led the survey of the northern reef?", "config": {"top_k": 1}}
    found = client.post("/v1/search", json=body).json()
    assert [hit["document_id"] for hit in found["hits"]] == [reef_id]
    assert found["hits"][0]["scores"]["rerank"] == pytest.approx(found["evidence"]["best"])
    assert found["evidence"]["enough"]
    scoped = client.post("/v1/search", json={**body, "document_ids": [ferry_id]}).json()
    assert [hit["document_id"] for hit in scoped["hits"]] == [ferry_id]


@pytest.mark.parametrize(
    ("body", "status_code", "code"),
    [
        ({"question": "word " * 300}, 413, "question_too_long"),
        ({"question": "  "}, 422, "request_invalid"),
        ({}, 422, "request_invalid"),
        ({"question": "Why?", "temprature": 1}, 422, "request_invalid"),
        ({"question": "Why?", "config": {"top_q": 1}}, 422, "request_invalid"),
        ({"question": "Why?", "config": {"top_k": 0}}, 422, "request_invalid"),
        ({"question": "Why?", "conversation_id": 99}, 404, "conversation_not_found"),
        ({"question": "Why?", "collection_ids": [99]}, 404, "collection_not_found"),
        ({"question": "Why?", "document_ids": [99]}, 404, "document_not_found"),
    ],
)
def test_bad_questions_get_a_stable_code(
    client: TestClient, body: dict[str, Any], status_code: int, code: str
) -> None:
    response = client.post("/v1/ask", json=body)
    assert (response.status_code, response.json()["code"]) == (status_code, code)
    assert response.json()["next_step"]


def test_nul_in_a_question_does_no_harm(client: TestClient) -> None:
    assert (
        ask(client, "Is there a NUL\0 here, \ud83d?".encode("utf-8", "replace").decode())["state"]
        == "refused"
    )
