"""Claims, states, quotes, coverage and places of an answer over HTTP: streamed, plain and after reload."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from app.answers.claims import without_stray_markers, without_unsupported
from app.answers.grounding import check, split_claims, with_markers
from app.answers.types import Passage
from app.main import create_app
from app.services import GenerateOptions, Services
from app.settings import Settings
from retrieval.types import Chunk
from tests.app.asking import ask, events, upload
from tests.conftest import client_of
from tests.fakes import EchoGenerator, overlap_verify

FERRY = "The Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns. Dogs travel free.\n"
REEF = "Dr. Ines Valko led the survey of the northern reef, and the ferry waited, until 2016.\n"
QUESTION = "How often runs the Wend ferry?"


def reload(client: TestClient, answer: dict[str, Any]) -> dict[str, Any]:
    conversation = client.get(f"/v1/conversations/{answer['conversation_id']}").json()
    found: dict[str, Any] = conversation["messages"][-1]
    return found


@pytest.fixture
def removing(settings: Settings, build: Callable[[Settings], Services]) -> Iterator[TestClient]:
    changed = settings.model_copy(update={"unsupported_claims": "remove"})
    with client_of(create_app(changed, build)) as test_client:
        yield test_client


@pytest.mark.parametrize(
    ("written", "state", "verdicts"),
    [
        ("The Wend ferry runs every twenty minutes [1].", "grounded", ["supported"]),
        ("Dogs travel free [1]. Cats dance nightly [1].", "partly", ["supported", "not_supported"]),
        ("Cats dance nightly [1].", "ungrounded", ["not_supported"]),
        ("The ferry does not run every twenty minutes [1].", "ungrounded", ["contradicted"]),
        ("[0]", "refused", []),
    ],
)
def test_every_answer_has_a_state_that_follows_from_its_claims(
    client: TestClient, generator: EchoGenerator, written: str, state: str, verdicts: list[str]
) -> None:
    upload(client, {"ferry.txt": FERRY})
    generator.answer = written
    answer = ask(client, QUESTION)
    assert (answer["grounding"], [claim["verdict"] for claim in answer["claims"]]) == (state, verdicts)
    for claim in answer["claims"]:
        assert answer["answer"][claim["start"] : claim["end"]].startswith(claim["text"].rstrip("."))
        deciding = answer["citations"][claim["citations"][0]]
        assert (deciding["verdict"], deciding["score"]) == (claim["verdict"], claim["score"])
        assert (deciding["claim_start"], deciding["claim_end"]) == (claim["start"], claim["end"])
    (listed,) = client.get("/v1/messages", params={"grounding": state}).json()["items"]
    assert listed["message_id"] == answer["message_id"]
    others = {"grounded", "partly", "ungrounded", "refused"} - {state}
    assert all(client.get("/v1/messages", params={"grounding": s}).json()["items"] == [] for s in others)


def test_only_cited_passages_are_sources_streamed_plain_and_reloaded(client: TestClient) -> None:
    upload(client, {"ferry.txt": FERRY, "reef.txt": REEF})
    plain = ask(client, QUESTION)
    told = events(client, "/v1/ask", {"question": QUESTION})
    done, checked = told[-1][1], told[-2][1]
    assert [source["file_name"] for source in plain["sources"]] == ["ferry.txt"]
    assert [source["file_name"] for source in plain["also_retrieved"]] == ["reef.txt"]
    assert all(source["score"] is not None for source in plain["also_retrieved"])
    for name in ("sources", "also_retrieved", "claims", "quotes", "citations", "grounding", "answer"):
        assert plain[name] == done[name] == checked[name] == reload(client, plain)[name]
    assert plain["coverage"] == done["coverage"] == {"searched": 2, "pending": 0, "failed": 0}


def test_unsupported_claims_are_removed_by_a_setting(removing: TestClient, generator: EchoGenerator) -> None:
    upload(removing, {"ferry.txt": FERRY})
    generator.answer = "Cats dance nightly [1]. Dogs travel free [1]. Cats sing 9 songs. It costs 4.50 crowns"
    told = events(removing, "/v1/ask", {"question": QUESTION})
    done = told[-1][1]
    assert done["answer"] == "Dogs travel free [1]. It costs 4.50 crowns [1]"
    assert told[-2][1]["answer"] == done["answer"] == reload(removing, done)["answer"]
    assert [claim["text"] for claim in done["removed_claims"]] == [
        "Cats dance nightly.",
        "Cats sing 9 songs.",
    ]
    spans = [done["answer"][c["claim_start"] : c["claim_end"]] for c in done["citations"]]
    assert spans == ["Dogs travel free [1].", "It costs 4.50 crowns [1]"]
    assert [done["answer"][c["start"] : c["end"]] for c in done["claims"]] == spans
    assert (done["state"], done["grounding"]) == ("answered", "grounded")


def test_an_answer_left_without_claims_is_a_refusal_that_says_so(
    removing: TestClient, generator: EchoGenerator
) -> None:
    upload(removing, {"ferry.txt": FERRY})
    generator.answer = "Cats dance nightly [1]."
    answer = ask(removing, QUESTION)
    assert (answer["state"], answer["grounding"], answer["answer"]) == ("refused", "refused", "")
    assert answer["refusal"]["reason"] == "no_supported_claim"
    assert [claim["text"] for claim in answer["removed_claims"]] == ["Cats dance nightly."]


def test_a_quote_is_checked_against_the_passage_that_is_cited(
    client: TestClient, generator: EchoGenerator
) -> None:
    (document_id,) = upload(client, {"ferry.txt": FERRY})
    generator.answer = "Dogs travel free, “dogs travel  FREE” [1]. Dogs travel free, “dogs pay half” [1]."
    answer = ask(client, QUESTION)
    right, wrong = answer["quotes"]
    assert (right["verdict"], wrong["verdict"]) == ("supported", "not_found")
    (place,) = right["places"]
    page = client.get(f"/v1/documents/{document_id}/pages/1").json()
    assert page["text"][place["start"] : place["end"]] == "Dogs travel free"
    assert answer["answer"][wrong["start"] : wrong["end"]] == "dogs pay half"
    assert answer["grounding"] == "partly"  # every claim is supported, one quote is not
    assert reload(client, answer)["quotes"] == answer["quotes"]


def test_weak_evidence_is_answered_from_when_asked_and_marked(
    client: TestClient, generator: EchoGenerator
) -> None:
    upload(client, {"ferry.txt": FERRY})
    question = "Which parrots, otters, badgers, storks, newts and ferrets dance on the ferry?"
    refused = ask(client, question)
    assert (refused["refusal"]["reason"], refused["weak_evidence"]) == ("weak_evidence", False)
    (miss,) = refused["refusal"]["near_misses"]
    assert miss["score"] + miss["short_by"] == pytest.approx(0.3)
    assert miss["number"] == refused["also_retrieved"][0]["number"]
    weak = ask(client, question, weak_evidence="answer")
    assert (weak["state"], weak["weak_evidence"]) == ("answered", True)
    assert reload(client, weak)["weak_evidence"]
    generator.answer = "[0]"
    assert "[0]" not in ask(client, question, weak_evidence="answer")["answer"]
    generator.answer = ""
    assert ask(client, question, weak_evidence="answer")["refusal"]["reason"] == "no_answer_found"


def test_a_refusal_names_filters_and_only_files_in_scope(client: TestClient) -> None:
    collection = client.post("/v1/collections", json={"name": "Boats"}).json()["id"]
    upload(client, {"secret.txt": "%PDF-1.7 and then nothing"})
    ferry_id, broken_id = upload(client, {"ferry.txt": FERRY, "broken.txt": "%PDF-1.7 nothing"}, collection)
    client.post(
        "/v1/documents", files=[("files", ("late.txt", b"Later."))], data={"collection_id": collection}
    )
    answer = ask(client, "Which colour has the parrot?", collection_ids=[collection])
    why = answer["refusal"]
    assert [file["document_id"] for file in why["failed_files"]] == [broken_id]
    assert [(file["file_name"], file["status"]) for file in why["pending_files"]] == [("late.txt", "queued")]
    assert why["filters"] == {"collections": ["Boats"], "documents": []}
    assert answer["coverage"] == {"searched": 1, "pending": 1, "failed": 1}
    narrow = ask(client, "Which colour has the parrot?", document_ids=[ferry_id])["refusal"]
    assert narrow["filters"] == {"collections": [], "documents": ["ferry.txt"]}
    assert (narrow["failed_files"], narrow["pending_files"]) == ([], [])


def test_a_citation_of_a_pdf_knows_its_page_and_lines(client: TestClient) -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(400, 400))
    canvas.drawString(50, 350, "The Wend ferry runs every twenty minutes")
    canvas.drawString(50, 330, "from the old quay. Dogs travel free.")
    canvas.save()
    upload(client, {"ferry.pdf": buffer.getvalue()})
    (citation,) = ask(client, QUESTION)["citations"]
    assert citation["page"] == 1
    first, second = citation["boxes"]
    assert (first["page"], round(first["left"])) == (1, 50)
    assert 345 < first["bottom"] < 352 < first["top"] < 362
    assert 325 < second["bottom"] < 332 < second["top"] < 342
    assert 50 < second["right"] < first["right"] < 350


def test_only_markers_of_the_prompts_passages_may_be_written(
    client: TestClient, generator: EchoGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(client, {"ferry.txt": FERRY, "reef.txt": REEF})
    told: list[GenerateOptions] = []
    generate = generator.generate

    def listen(prompt: Any, options: GenerateOptions, cancelled: Any) -> Iterator[str]:
        told.append(options)
        return generate(prompt, options, cancelled)

    monkeypatch.setattr(generator, "generate", listen)
    ask(client, QUESTION)
    ask(client, QUESTION, weak_evidence="answer")
    assert [options.markers for options in told] == [("[0]", "[1]", "[2]"), ("[1]", "[2]")]
    assert [options.may_refuse for options in told] == [True, False]


PASSAGES = [
    Passage(1, Chunk(1, 7, 1, FERRY, "a.txt", 0, len(FERRY), None, None, (), 1), 0.9),
    Passage(2, Chunk(2, 7, 1, REEF, "a.txt", 99, 99 + len(REEF), None, None, (), 1), 0.9),
]
PIECES = ["Dogs travel free", "Cats dance", ". ", ".", " ", "[1]", "[2]", "[3]", "[17]", "[0]", "\n\n- ", "“"]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_marker_is_left_that_is_not_a_footnote(pieces: list[str]) -> None:
    answer = without_stray_markers("".join(pieces))
    text, placed = with_markers(answer, check("Who?", split_claims(answer), PASSAGES, overlap_verify))
    numbers = {int(number) for number in re.findall(r"\[(\d+)\]", text)}
    assert numbers == {note.passage.number for note in placed}


CLAIMS = ["Dogs travel free", "Cats dance", "The ferry runs", "Owls sing 7 songs"]


@given(st.lists(st.tuples(st.sampled_from(CLAIMS), st.sampled_from([". ", " [1]. ", "!\n\n- "])), max_size=6))
def test_whatever_is_removed_the_places_of_the_rest_are_right(parts: list[tuple[str, str]]) -> None:
    answer = "".join(map("".join, parts)).rstrip()
    notes = check("Who?", split_claims(answer), PASSAGES, overlap_verify)
    text, kept, removed = without_unsupported(answer, notes)
    assert all(
        text[n.claim.start : n.claim.end] == answer[o.claim.start : o.claim.end]
        for n, o in zip(kept, [note for note in notes if note.verdict == "supported"], strict=True)
    )
    assert [claim.text for claim in split_claims(text)] == [note.claim.text for note in kept]
    assert len(removed) + len(kept) == len(notes)
