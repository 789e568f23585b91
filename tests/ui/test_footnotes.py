"""Where footnotes stand in an answer."""

from __future__ import annotations

from tests.ui.canned import LEAVE, citation
from ui.footnotes import Piece, footnoted, without_markers
from ui.schemas import Citation


def cite(answer: str, claim: str, number: int) -> Citation:
    return Citation.model_validate(citation(answer, claim, number, LEAVE, 2, 1))


def test_a_marker_becomes_a_note_and_loses_the_space_before_it():
    answer = "Leave is 28 days [2]."

    assert footnoted(answer, [cite(answer, "Leave is 28 days", 2)]) == [
        Piece("Leave is 28 days"),
        Piece("2", 0),
        Piece("."),
    ]


def test_a_marker_that_names_no_citation_stays_text():
    assert footnoted("Made up [7].", []) == [Piece("Made up [7].")]


def test_a_citation_without_a_marker_stands_at_the_end_of_its_claim():
    answer = "Leave is 28 days. Rest."

    assert footnoted(answer, [cite(answer, "Leave is 28 days.", 1)]) == [
        Piece("Leave is 28 days."),
        Piece("1", 0),
        Piece(" Rest."),
    ]


def test_equal_numbers_go_to_the_nearest_claim():
    answer = "First claim [1]. Second claim [1]."
    citations = [cite(answer, "Second claim", 1), cite(answer, "First claim", 1)]

    assert [piece.citation for piece in footnoted(answer, citations) if piece.citation is not None] == [1, 0]


def test_several_notes_behind_one_claim_keep_their_order():
    answer = "A claim [1][2]."
    citations = [cite(answer, "A claim", 1), cite(answer, "A claim", 2)]

    assert [piece.text for piece in footnoted(answer, citations)] == ["A claim", "1", "2", "."]


def test_a_quoted_claim_has_no_markers():
    assert without_markers("Leave is 28 days [1][2]. ") == "Leave is 28 days."


def test_an_empty_answer_has_no_pieces():
    assert footnoted("", []) == []
