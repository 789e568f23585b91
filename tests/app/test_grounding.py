"""Claims, evidence and verdicts, on a word-overlap verifier."""

from __future__ import annotations

import pytest

from app.answers.free_claims import claim_support, joined
from app.answers.grounding import check, find_evidence, split_claims, with_markers
from app.answers.judgement import stands_alone, statement
from app.answers.numbers import missing_number
from app.answers.sentences import split_sentences
from app.answers.types import Passage
from app.answers.words import coverage
from retrieval.types import Chunk
from tests.fakes import overlap_verify

FERRY = "The ferry runs daily. A return ticket costs 4.50 crowns. Dogs travel free."
BRIDGE = "Harlow Bridge was opened in May 1931. It carries two lanes."


def passage(number: int, text: str, start: int = 100) -> Passage:
    chunk = Chunk(number, 7, 1, text, "guide.pdf", start, start + len(text), 3, 3, (), 1)
    return Passage(number, chunk, 0.9)


PASSAGES = [passage(1, FERRY), passage(2, BRIDGE, start=900)]


def test_markers_belong_to_their_sentence() -> None:
    claims = split_claims("It costs 4.50 crowns [1]. It opened in 1931. [2][1] Dogs travel free")
    assert [(claim.text, claim.cited) for claim in claims] == [
        ("It costs 4.50 crowns.", (1,)),
        ("It opened in 1931.", (2, 1)),
        ("Dogs travel free", ()),
    ]


def test_a_marker_at_the_very_end_stays_with_its_sentence() -> None:
    assert [claim.cited for claim in split_claims("It opened in 1931. [2]")] == [(2,)]


def test_claim_spans_point_into_the_answer() -> None:
    answer = "It costs 4.50 crowns [1].\nIt opened in 1931 [2]."
    assert [answer[claim.start : claim.end] for claim in split_claims(answer)] == answer.split("\n")


def test_an_answer_of_markers_alone_makes_no_claim() -> None:
    assert split_claims(" [1] ... ") == []


def test_sentences_cover_cjk_full_stops_and_decimals() -> None:
    text = "渡船每天开。 票价4.50元。 End"
    assert [text[slice(*span)] for span in split_sentences(text)] == ["渡船每天开。", "票价4.50元。", "End"]


@pytest.mark.parametrize(
    "text",
    [
        "George B. McClellan led it",
        "J. R. R. Orlo wrote it",
        "Dr. Orlo keeps St. Anne's Lock",
        "The act of 1854 (10 Stat. 277) stands",
        "Small craft, e.g. rowing boats, wait",
        "Lock No. 4 opens at 9 a.m. Monday",
        "Es fährt z. B. Samstag",
        "Hull, Orlo & Co. Boats",
    ],
)
def test_an_abbreviation_ends_no_sentence(text: str) -> None:
    assert split_sentences(text) == [(0, len(text))]


@pytest.mark.parametrize(
    "text",
    [
        "The gate shuts at 9 p.m.| It opens at 5.",
        "Boats wait at pier C.| The fare is 2.",
        "No.| Dogs travel free.",
        "He called it “The Co.”| Orlo laughed.",
        "It costs 4 p. [1]| Boats wait.",
    ],
)
def test_a_sentence_may_end_with_an_abbreviation(text: str) -> None:
    plain = text.replace("|", "")
    assert [plain[slice(*span)] for span in split_sentences(plain)] == text.split("| ")


def test_a_missing_number_is_no_support_at_all() -> None:
    assert coverage("a return ticket costs 4.60 crowns", FERRY) == 0.0
    assert coverage("a return ticket costs 4.50 crowns", FERRY) == 1.0


def test_evidence_is_the_shortest_window_that_holds_the_claim() -> None:
    start, end = find_evidence("How much?", "4.50 crowns", FERRY)
    assert FERRY[start:end] == "A return ticket costs 4.50 crowns."


def test_wrapped_lines_are_one_sentence_and_table_rows_are_not() -> None:
    page = "Patented in 1868 by\nC. Sholes, it sold well.\n\nTown: Orrel | Boats: 4\nTown: Wend | Boats: 7"
    spans = [page[slice(*span)] for span in split_sentences(page)]
    assert spans[-2:] == ["Town: Orrel | Boats: 4", "Town: Wend | Boats: 7"]
    assert spans[0].startswith("Patented in 1868 by\nC.")


def test_evidence_for_words_that_are_nowhere_follows_the_question() -> None:
    start, end = find_evidence("May dogs come along?", "Thomas Watson", FERRY)
    assert FERRY[start:end] == "Dogs travel free."


def test_a_footnote_points_to_the_span_in_the_document() -> None:
    claims = split_claims("A return ticket costs 4.50 crowns [1]")
    (footnote,) = check("How much is a return ticket?", claims, PASSAGES, overlap_verify)
    assert footnote.verdict == "supported"
    assert footnote.placed_by == "model"
    assert (
        FERRY[footnote.start - 100 : footnote.end - 100]
        == footnote.text
        == "A return ticket costs 4.50 crowns."
    )


def test_a_wrong_number_is_marked_not_supported() -> None:
    claims = split_claims("A return ticket costs 9 crowns [1]")
    (footnote,) = check("Price?", claims, PASSAGES, overlap_verify)
    assert (footnote.verdict, footnote.score) == ("not_supported", 0.0)


def test_a_denied_claim_is_contradicted_and_shows_the_sentence_that_denies_it() -> None:
    claims = split_claims("The harbour café is open in winter. [1]")
    text = "The harbour café is not open in winter. The ferry runs all year."
    (footnote,) = check("Open?", claims, [passage(1, text)], overlap_verify)
    assert (footnote.verdict, footnote.text) == ("contradicted", "The harbour café is not open in winter.")
    assert footnote.score == 0.0


def test_an_unsupported_claim_rests_on_the_passage_that_says_most_about_it() -> None:
    claims = split_claims("The ferry carries cattle to Skye from Mallaig [2]")
    (footnote,) = check("Ferry?", claims, PASSAGES, overlap_verify)
    assert (footnote.verdict, footnote.passage.number, footnote.placed_by) == (
        "not_supported",
        1,
        "alignment",
    )


def test_short_answers_are_checked_with_their_question() -> None:
    assert statement("How much is it?", "4.50 crowns") == "How much is it? 4.50 crowns"
    assert statement("How much is it?", "It costs 4.50 crowns today.") == "It costs 4.50 crowns today."
    assert statement("", "Dogs travel free") == "Dogs travel free"
    assert not stands_alone("On 5 May.")


def test_numbers_are_compared_by_value() -> None:
    assert not missing_number("1,500 people in 2 towns at 4.50", "1500 people in two towns at 4.5")
    assert missing_number("1,500 people", "1,600 people")
    assert not missing_number("the 3rd boat", "the third boat")


def test_a_claim_without_marker_is_aligned_and_gets_one() -> None:
    answer = "The bridge opened in May 1931. Dogs travel free [1]."
    footnotes = check("Bridge?", split_claims(answer), PASSAGES, overlap_verify)
    text, placed = with_markers(answer, footnotes)
    assert text == "The bridge opened in May 1931. [2] Dogs travel free [1]."
    assert answer != text
    assert [footnote.placed_by for footnote in placed] == ["alignment", "model"]
    assert [text[f.claim.start : f.claim.end] for f in placed] == [
        "The bridge opened in May 1931. [2]",
        "Dogs travel free [1].",
    ]


def test_a_marker_on_the_wrong_passage_is_moved_to_the_one_that_supports_the_claim() -> None:
    answer = "A return ticket costs 4.50 crowns [2]. Dogs travel free [1]."
    text, placed = with_markers(answer, check("Ferry?", split_claims(answer), PASSAGES, overlap_verify))
    assert text == "A return ticket costs 4.50 crowns. [1] Dogs travel free [1]."
    assert [(note.passage.number, note.placed_by) for note in placed] == [(1, "alignment"), (1, "model")]
    assert all(text[note.claim.start : note.claim.end].count("[1]") == 1 for note in placed)


def test_a_marker_that_names_no_passage_is_never_followed() -> None:
    (footnote,) = check("Dogs?", split_claims("Dogs travel free [9]"), PASSAGES, overlap_verify)
    assert (footnote.passage.number, footnote.placed_by) == (1, "alignment")


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [("A return ticket costs 4.50 crowns", "supported"), ("Cats travel in 3 coaches", "not_supported")],
)
def test_free_standing_claims(claim: str, verdict: str) -> None:
    assert claim_support(claim, [FERRY, BRIDGE], overlap_verify)[0] == verdict


def test_evidence_spread_over_short_passages_is_read_together() -> None:
    sentences = ["The ferry runs daily.", "Dogs travel free on it.", "Cats stay at home."]
    assert (
        claim_support("The ferry runs daily and dogs travel free", sentences, overlap_verify)[0]
        == "supported"
    )
    assert joined([" ".join(["word"] * 50)] * 4) == [" ".join(["word"] * 100)] * 3
    assert joined(["a b", "c d"]) == ["a b c d"]


def test_a_claim_without_passages_is_not_supported() -> None:
    assert claim_support("Dogs travel free", [], overlap_verify) == ("not_supported", 0.0)
