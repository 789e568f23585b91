"""Sources that disagree are said to disagree, and those that only look as if are not."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from app.answers.conflicts import find_conflicts
from app.answers.grounding import check, split_claims
from app.answers.types import Conflict, Passage, Verify
from app.answers.values import values_of
from retrieval.types import Chunk
from tests.app.asking import ask, events, upload
from tests.app.conflict_pairs import AGREEMENTS, CONFLICTS, pairs
from tests.fakes import EchoGenerator, overlap_verify


def passage(number: int, text: str) -> Passage:
    chunk = Chunk(number, number, 1, text, f"{number}.txt", 50, 50 + len(text), None, None, (), 1)
    return Passage(number, chunk, 0.9)


def conflicts(question: str, answer: str, first: str, second: str, verify: Verify) -> list[Conflict]:
    notes = check(question, split_claims(answer), [passage(1, first)], verify)
    return find_conflicts(question, notes, [passage(1, first), passage(2, second)], verify)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs 4.50 crowns", [("number", "crown", "4.5")]),
        ("open since 1874", [("date", "", "1874")]),
        ("1874", [("date", "", "1874")]),
        ("In May 1931 two boats", [("date", "", "May 1931"), ("number", "boat", "2")]),
        ("They may leave at 9:05", [("time", "", "9:05")]),
        ("1,500 inhabitants and 18% of them", [("number", "inhabitant", "1500"), ("number", "%", "18")]),
        ("by the 10th of the month", [("number", "", "10")]),
        ("led by Ines Valko", [("name", "", "ines valko")]),
        ("The bridge is high.", []),
        ("Employees leave.", []),
    ],
)
def test_values_are_read_with_their_units(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(value.kind, value.unit, value.text) for value in values_of(text)] == expected


def test_dates_agree_in_every_form_and_as_far_as_they_go() -> None:
    exact, iso, dotted, less, other = (
        values_of(text)[0]
        for text in ("on 31 May 2024", "2024-05-31", "am 31.05.2024", "in May 2024", "on June 2, 2024")
    )
    assert exact.same(iso)
    assert iso.same(dotted)
    assert dotted.same(less)
    assert not exact.same(other)
    assert not less.same(other)


def test_a_conflict_names_both_places_and_values() -> None:
    first = "Employees have 28 days of leave."
    second = "Rules follow. Employees have 30 days of leave."
    (found,) = conflicts(
        "How many days of leave do employees have?", "28 days", first, second, overlap_verify
    )
    assert (found.kind, found.supporting_value, found.disputing_value) == ("number", "28", "30")
    assert (found.supporting.number, found.disputing.number) == (1, 2)
    assert second[found.disputing.start - 50 : found.disputing.end - 50] == found.disputing_text
    assert found.disputing_text == "Employees have 30 days of leave."
    assert first[found.supporting.start - 50 : found.supporting.end - 50] == found.supporting_text


def test_a_passage_that_says_both_disputes_nothing() -> None:
    second = "Employees have 30 days of leave. Before, employees had 28 days of leave."
    question = "How many days of leave do employees have?"
    first = "Employees have 28 days of leave."
    assert conflicts(question, "28 days", first, second, overlap_verify) == []


def test_an_unsupported_claim_is_in_no_conflict() -> None:
    question = "How many days of leave do employees have?"
    first, second = "Employees have 28 days of leave.", "Employees have 30 days of leave."
    assert conflicts(question, "19 days", first, second, overlap_verify) == []


def test_an_answer_tells_its_conflicts_streamed_and_after_a_reload(
    client: TestClient, generator: EchoGenerator
) -> None:
    upload(
        client,
        {
            "new.txt": "A return ticket for the Wend ferry costs 4.50 crowns.",
            "old.txt": "A return ticket for the Wend ferry costs 5.20 crowns.",
        },
    )
    question = "How much costs a return ticket for the Wend ferry?"
    answer = ask(client, question)
    (found,) = answer["conflicts"]
    cited = answer["sources"][0]["number"]
    other = next(s for s in answer["sources"] + answer["also_retrieved"] if s["number"] != cited)
    assert (found["kind"], found["supporting"]["number"]) == ("number", cited)
    assert found["disputing"]["number"] == other["number"]
    assert {found["supporting_value"], found["disputing_value"]} == {"4.5", "5.2"}
    assert found["disputing_text"] == other["text"]
    told = events(client, "/v1/ask", {"question": question})
    assert told[-1][1]["conflicts"] == told[-2][1]["conflicts"] == answer["conflicts"]
    stored = client.get(f"/v1/messages/{answer['message_id']}").json()
    assert stored["conflicts"] == answer["conflicts"]
    assert answer["grounding"] == "grounded"  # supported, though disputed


def test_both_halves_of_the_pairs_hold_both_kinds() -> None:
    assert len(pairs(measured=True)) + len(pairs(measured=False)) == len(CONFLICTS) + len(AGREEMENTS)
    assert sum(pair[-1] for pair in pairs(measured=True)) == len(CONFLICTS) // 2


@pytest.mark.weights
def test_most_conflicts_are_found_and_hardly_any_are_imagined() -> None:
    """On the pairs that no rule was fitted to; first look: 10 of 12 found, 1 of 16 imagined."""
    from model.claim_verifier import ClaimVerifier

    verify = ClaimVerifier.load().verify
    found = {True: 0, False: 0}
    for question, answer, first, second, disagree in pairs(measured=True):
        found[disagree] += bool(conflicts(question, answer, first, second, verify))
    assert found[True] >= 9  # of 12
    assert found[False] <= 1  # of 16
