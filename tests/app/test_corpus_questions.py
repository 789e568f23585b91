"""Questions over the whole corpus: recognised, computed over rows and words, or asked of each document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.answers.corpus_kind import corpus_kind, mentioned, topic
from app.answers.named_comparison import NamedComparison, named_comparison
from app.services import GenerateOptions
from tests.app.asking import ask, events, upload
from tests.fakes import EchoGenerator

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes in summer. Tickets cost 4.50 crowns.\n"
BRIDGE = "# Bridge\n\nHarlow Bridge carries the road over the Wend. It opened in May 1931.\n"
REEF = "# Reef\n\nDr. Ines Valko led the survey of the northern reef until 2016.\n"


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Summarise my documents", "summarise"),
        ("Please summarize the letters about rent.", "summarise"),
        ("What are these documents about?", "summarise"),
        ("List all suppliers", "list"),
        ("Which files mention the ferry?", "list"),
        ("Compare the leave rules of Brenn and Velm.", "compare"),
        ("What are the differences between the contracts?", "compare"),
        ("How many documents mention the ferry?", "count"),
        ("How many files do I have?", "count"),
        ("How many papers did she write?", None),
        ("Which file did he open?", None),
        ("What is the difference between a pump and a motor?", None),
        ("What does the list of suppliers say about Brenn?", None),
        ("How much does the ferry cost?", None),
        ("Who wrote the summary?", None),
    ],
)
def test_only_plain_forms_are_about_the_whole_corpus(question: str, kind: str | None) -> None:
    assert corpus_kind(question) == kind


def test_words_and_topics_are_found_in_the_question() -> None:
    ferry = mentioned("How many documents mention the ferry?")
    assert ferry is not None
    assert (ferry.plain, ferry.forms) == ("ferry", ("ferry", "ferries"))
    policy = mentioned("Which of my files contain the words leave policy?")
    assert policy is not None
    assert policy.forms == ("leave policy", "leave policies")
    assert mentioned("How many days are there?") is None
    assert topic("Summarise what the letters say about rent.") == "rent"
    assert topic("Summarise all my documents") is None
    assert topic("Summarise the handbook") == "the handbook"


def test_documents_that_hold_words_are_counted_exactly(client: TestClient) -> None:
    upload(client, {"ferry.md": FERRY, "bridge.md": BRIDGE, "reef.md": REEF})
    answer = ask(client, "How many documents mention the Wend?")
    lines = answer["answer"].split("\n")
    assert lines[0] == "• 2 of 3 documents contain “Wend”"
    assert [line.split(" [")[0] for line in lines[1:]] == ["• ferry.md", "• bridge.md"]
    assert {citation["text"] for citation in answer["citations"]} == {"Wend"}
    assert answer["basis"]["method"] == "words"


def test_words_are_counted_in_both_numbers_and_not_inside_others(client: TestClient) -> None:
    texts = {"a.md": "One battery each.", "b.md": "Two batteries.", "c.md": "A batterylike thing."}
    upload(client, texts)
    answer = ask(client, "How many documents mention batteries?")
    assert answer["answer"].split("\n")[0] == "• 2 of 3 documents contain “batteries”"
    assert answer["basis"]["note"].startswith("Looked for “batteries” or “battery” in the text of all 3")


def test_every_document_is_asked_and_lines_are_streamed_with_their_footnotes(client: TestClient) -> None:
    upload(client, {"ferry.md": FERRY, "bridge.md": BRIDGE, "reef.md": REEF})
    told = events(
        client, "/v1/ask", {"question": "Compare what runs over the Wend in summer and on the road"}
    )
    tokens = [data["text"] for name, data in told if name == "token"]
    done = told[-1][1]
    assert len(tokens) == 2  # one line a document that search ranks as evidence
    assert "".join(tokens) == done["answer"]
    leads = {line.split(":")[0] for line in done["answer"].split("\n")}
    assert leads == {"• ferry.md", "• bridge.md"}
    assert {citation["file_name"] for citation in done["citations"]} == {"ferry.md", "bridge.md"}
    for citation in done["citations"]:
        claim = done["answer"][citation["claim_start"] : citation["claim_end"]]
        assert claim.endswith(f"[{citation['number']}]")
    assert done["basis"]["note"].startswith("Based on 2 of 3 passages, from 2 of 3 documents")
    again = client.post(f"/v1/messages/{done['message_id']}/replay").json()
    assert (again["identical"], again["generations"]) == (True, 2)
    trace = client.get(f"/v1/messages/{done['message_id']}/trace").json()
    assert len(trace["runs"]) == 2


def test_documents_are_asked_by_the_threshold_of_their_own_collection(client: TestClient) -> None:
    strict, lenient = (
        client.post("/v1/collections", json={"name": name}).json()["id"] for name in ("Strict", "Lenient")
    )
    upload(client, {"ferry.md": FERRY}, strict)
    upload(client, {"bridge.md": BRIDGE})
    upload(client, {"notice.md": "# Notice\n\nThe road is closed on Sundays.\n"}, lenient)
    client.put(f"/v1/collections/{strict}/gate", json={"threshold": 0.9})
    client.put(f"/v1/collections/{lenient}/gate", json={"threshold": 0.1})

    def asked(**body: Any) -> set[str]:
        question = "Compare what runs over the Wend in summer and on the road"
        lines = ask(client, question, **body)["answer"].split("\n")
        return {line.removeprefix("• ").split(":")[0] for line in lines}

    assert asked() == {"bridge.md", "notice.md"}
    assert asked(config={"evidence_threshold": 0.3}) == {"ferry.md", "bridge.md"}


def test_a_summary_is_a_sentence_of_each_document_word_for_word(client: TestClient) -> None:
    upload(client, {"ferry.md": FERRY, "bridge.md": BRIDGE, "reef.md": REEF})
    answer = ask(client, "Summarise all my documents")
    lines = [line.removeprefix("• ") for line in answer["answer"].split("\n")]
    assert [line.split(": ")[0] for line in lines] == ["ferry.md", "bridge.md", "reef.md"]
    for line, text in zip(lines, (FERRY, BRIDGE, REEF), strict=True):
        assert line.split(": ", 1)[1].rsplit(" [", 1)[0].split("Ferry ")[-1].split("Reef ")[-1] in text
    assert answer["grounding"] == "grounded"
    files = ask(client, "How many files do I have?")
    assert (files["answer"], files["state"]) == ("• 3 documents are ready", "answered")
    assert files["grounding"] == "grounded"
    named = ask(client, "Summarise the reef")
    assert named["answer"].startswith("• reef.md: ")
    assert "\n" not in named["answer"]


def test_an_answer_over_documents_can_be_stopped(
    client: TestClient, generator: EchoGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(client, {"ferry.md": FERRY, "bridge.md": BRIDGE})
    echo = generator.generate

    def stop_after(
        segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        yield from echo(segments, options, cancelled)
        latest = client.get("/v1/messages").json()["items"][0]
        client.post(f"/v1/messages/{latest['message_id']}/cancel")

    monkeypatch.setattr(generator, "generate", stop_after)
    answer = ask(client, "Compare what runs over the Wend in summer and on the road")
    assert answer["state"] == "cancelled"
    assert len(answer["answer"].split("\n")) == 1
    assert answer["citations"]


def test_what_cannot_be_counted_is_answered_with_a_plain_note(client: TestClient) -> None:
    upload(client, {"ferry.md": FERRY})
    answer = ask(client, "List the crossings of the Wend ferry in summer")
    assert answer["state"] == "answered"
    assert answer["basis"] == {
        "kind": "list",
        "method": "passages",
        "note": "Based on 1 of 1 passages.",
    }
    ordinary = ask(client, "How often runs the Wend ferry?")
    assert ordinary["basis"] is None


def test_documents_that_are_all_silent_are_a_refusal(client: TestClient, generator: EchoGenerator) -> None:
    upload(client, {"ferry.md": FERRY, "bridge.md": BRIDGE})
    generator.answer = " [0]"
    answer = ask(client, "Compare what runs over the Wend in summer and on the road")
    assert (answer["state"], answer["answer"], answer["citations"]) == ("refused", "", [])
    assert answer["refusal"]["reason"] == "no_answer_found"


NAMES = {
    1: "employee-handbook.pdf",
    2: "travel-and-expense-policy.docx",
    3: "annual_report_2024.pdf",
    4: "annual_report_2025.pdf",
}


@pytest.mark.parametrize(
    ("question", "ids", "about"),
    [
        ("Compare the travel policy and the handbook on remote work", (2, 1), "remote work"),
        ("Compare the employee handbook with the travel and expense policy on hotels.", (1, 2), "hotels"),
        ("Please compare the 2024 report to the 2025 report", (3, 4), None),
        (
            "What is the difference between the handbook and the policy regarding sick pay?",
            (1, 2),
            "sick pay",
        ),
        ("How do the handbooks and the policies differ on meals?", (1, 2), "meals"),
        ("What do the policy, the handbook and annual_report_2025.pdf say about boats?", (2, 1, 4), "boats"),
    ],
)
def test_a_comparison_names_its_documents(question: str, ids: tuple[int, ...], about: str | None) -> None:
    assert named_comparison(question, NAMES) == NamedComparison(ids, about)


@pytest.mark.parametrize(
    "question",
    [
        "Compare the leave rules of Brenn and Velm.",
        "What is the difference between a pump and a motor?",
        "Compare the handbook and the ferry on price",  # one of two is no document
        "Compare the annual report and the handbook",  # there are two annual reports
        "Compare the handbook and the employee handbook",  # one document
        "Compare my documents",
        "What does the handbook say about the policy?",
    ],
)
def test_what_names_no_two_documents_is_another_question(question: str) -> None:
    assert named_comparison(question, NAMES) is None


TITLED = {1: "a1.pdf", 2: "scan-0042.pdf", 3: "notes.md"}


@pytest.mark.parametrize(
    ("question", "ids", "about"),
    [
        ("Compare the staff handbook and the lease contract on notice periods", (1, 2), "notice periods"),
        ("Vergleiche das Handbook mit dem Lease Contract hinsichtlich der Kündigung", (1, 2), "Kündigung"),
        ("Worin unterscheiden sich die Notes und der Lease bei den Fristen?", (3, 2), "Fristen"),
        ("Was ist der Unterschied zwischen Handbook und Lease?", (1, 2), None),
        ("Compare le handbook et le lease sur les préavis", (1, 2), "préavis"),
        ("Quelles sont les différences entre le lease et les notes ?", (2, 3), None),
        ("¿Cuál es la diferencia entre el handbook y el lease sobre los plazos?", (1, 2), "plazos"),
    ],
)
def test_documents_are_named_by_title_and_in_other_languages(
    question: str, ids: tuple[int, ...], about: str | None
) -> None:
    titles = {1: "Staff handbook", 2: "Lease contract of 2019"}
    assert named_comparison(question, TITLED, lambda: titles) == NamedComparison(ids, about)


def test_a_file_name_counts_before_a_title_and_two_titles_alike_name_nothing() -> None:
    question = "Compare the handbook and the notes"
    titles = {1: "Handbook", 2: "Handbook"}
    assert named_comparison(question, {**TITLED, 4: "handbook.pdf"}, lambda: titles) == NamedComparison(
        (4, 3), None
    )
    assert named_comparison(question, TITLED, lambda: titles) is None


def test_a_comparison_by_title_is_answered_over_http(client: TestClient) -> None:
    office = (
        "# Staff handbook\n\nParental leave lasts 26 weeks at full pay. Ask your team lead early enough.\n"
    )
    shop = "# Rules of the shop\n\nThe canteen opens at eleven. Parental leave is unpaid in the shop.\n"
    upload(client, {"a1.md": office, "b2.md": shop, "ferry.md": FERRY})
    answer = ask(client, "Compare the staff handbook and the rules of the shop on parental leave")
    assert [line.split(":")[0] for line in answer["answer"].split("\n")] == ["• a1.md", "• b2.md"]


LEAVE = "# Leave\n\nParental leave lasts 26 weeks at full pay. Ask your team lead early enough.\n"
SHOP = "# Shop\n\nThe canteen opens at eleven in the morning. Parental leave is unpaid in the shop.\n"


def test_documents_compared_by_name_are_quoted_side_by_side(
    client: TestClient, generator: EchoGenerator
) -> None:
    upload(client, {"office-handbook.md": LEAVE, "shop-rules.md": SHOP, "ferry.md": FERRY})
    answer = ask(client, "Compare the handbook and the shop rules on parental leave")
    assert answer["answer"].split("\n") == [
        "• office-handbook.md: Parental leave lasts 26 weeks at full pay. [1]",
        "• shop-rules.md: Parental leave is unpaid in the shop. [2]",
    ]
    assert (answer["state"], answer["grounding"]) == ("answered", "grounded")
    assert [cited["file_name"] for cited in answer["citations"]] == ["office-handbook.md", "shop-rules.md"]
    assert "of the 2 documents that the question names" in answer["basis"]["note"]
    assert generator.prompts == []  # quoted, not written


def test_what_only_one_of_them_says_is_said_to_be_so(client: TestClient) -> None:
    upload(client, {"office-handbook.md": LEAVE, "shop-rules.md": SHOP})
    answer = ask(client, "What do the shop rules and the handbook say about the canteen?")
    assert answer["answer"].split("\n") == [
        "• shop-rules.md: The canteen opens at eleven in the morning. [1]",
        "• office-handbook.md: doesn't say",
        "• Only shop-rules.md says something about the canteen; office-handbook.md doesn't say.",
    ]
    assert answer["grounding"] == "grounded"
    silent = ask(client, "Compare the handbook and the shop rules on submarines")
    assert (silent["state"], silent["refusal"]["reason"]) == ("refused", "no_answer_found")
