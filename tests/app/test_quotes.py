"""The quote gate: word for word, whatever the typography; and what else a wrong quote can be."""

from __future__ import annotations

import pytest

from app.answers.grounding import check, split_claims
from app.answers.quote_text import Searchable, find_quotes
from app.answers.quotes import check_quotes
from app.answers.types import Passage, QuoteCheck
from retrieval.types import Chunk
from tests.fakes import overlap_verify

FERRY = "The ferry runs every twenty minutes. Dogs travel free of charge. A well-known kiosk sells maps."
BRIDGE = "Harlow Bridge was opened in May 1931. It carries two lanes and a footpath over the Wend."


def passage(number: int, text: str, start: int) -> Passage:
    chunk = Chunk(number, 7, 1, text, "guide.pdf", start, start + len(text), 3, 3, (), 1)
    return Passage(number, chunk, 0.9)


PASSAGES = [passage(1, FERRY, 100), passage(2, BRIDGE, 900)]


def checked(answer: str, question: str = "Ferry?") -> list[QuoteCheck]:
    footnotes = check(question, split_claims(answer), PASSAGES, overlap_verify)
    return check_quotes(question, answer, footnotes, PASSAGES)


@pytest.mark.parametrize(
    "marks", ['""', "“”", "„“", "„”", "«»", "»«", "‹›", "›‹", "””", "‘’", "‚‘", "「」", "『』"]
)
def test_every_kind_of_quotation_marks_is_seen(marks: str) -> None:
    inner = "\u202f" if marks in "«»‹›" else ""
    answer = f"It says {marks[0]}{inner}dogs travel free{inner}{marks[1]} there."
    (quote,) = find_quotes(answer)
    assert quote.text.strip() == "dogs travel free" == answer[quote.start : quote.end].strip()


@pytest.mark.parametrize(
    "answer", ["The dogs’ day isn’t over, it’s 5'4\" tall", 'a 5" pipe and a 6" one', 'An empty "" pair', "‘"]
)
def test_apostrophes_and_inches_quote_nothing(answer: str) -> None:
    assert list(find_quotes(answer)) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("Dogs travel\n  FREE of\u00a0charge", "dogs travel free of charge"),
        ("an exam-\nple of it", "example of it"),
        ("a well-\nknown kiosk", "well-known kiosk"),
        ("a well\u2011known kiosk", "well-known kiosk"),
        ("hyphen\u00adation", "hyphenation"),
        ("an eﬃcient ﬁlter", "efficient filter"),
        ("das Café schließt", "das Cafe\u0301 schliesst"),
        ("said: “it’s open”", "it's open"),
        ("1939–1945", "1939-1945"),
        ("渡船每二十\n分钟一班。", "每二十分钟一班"),
        ("この本は図書館にあります", "図書館"),
    ],
)
def test_typography_does_not_count(source: str, words: str) -> None:
    place = Searchable(source).find(words)
    assert place is not None
    assert source[place[0]] != " "


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("the whole party came", "art"),
        ("dogs travel free", "dogs travel for free"),
        ("dogs travel free", "dog travel free"),
        ("resign at once", "re-sign at once"),
        ("a café", "a caf"),
        ("a café", "a cafe"),
        ("costs 4.50", "costs 4.5"),
        ("渡船每二十分钟一班", "渡船每三十分钟一班"),
    ],
)
def test_every_word_counts(source: str, words: str) -> None:
    assert Searchable(source).find(words) is None


def test_a_quote_of_its_cited_passage_is_supported_with_its_place() -> None:
    answer = 'The notice says "dogs travel free of charge," as ever [1].'
    (quote,) = checked(answer)
    assert quote.verdict == "supported"
    (place,) = quote.places
    assert (place.number, place.document_id) == (1, 7)
    assert FERRY[place.start - 100 : place.end - 100] == "Dogs travel free of charge"
    assert answer[quote.start : quote.end] == quote.text == "dogs travel free of charge,"


@pytest.mark.parametrize("gap", ["…", "...", " [...] ", " [ … ] ", " (…) "])
def test_an_ellipsis_leaves_something_out_in_order(gap: str) -> None:
    (quote,) = checked(f"The ferry runs, “the ferry runs{gap}dogs travel free” [1].")
    assert (quote.verdict, len(quote.places)) == ("supported", 2)
    (quote,) = checked(f"Dogs and the ferry, “dogs travel free of charge{gap}the ferry runs” [1].")
    assert quote.verdict == "stitched"


def test_a_quote_of_another_passage_is_misattributed() -> None:
    footnotes = check("Ferry?", split_claims("Dogs travel free [1]."), PASSAGES, overlap_verify)
    answer = "Dogs “carries two lanes” [1]."
    (quote,) = check_quotes("Ferry?", answer, footnotes, PASSAGES)
    assert (quote.verdict, quote.places[0].number) == ("misattributed", 2)
    assert BRIDGE[quote.places[0].start - 900 : quote.places[0].end - 900] == "carries two lanes"


def test_pieces_from_different_places_are_stitched() -> None:
    (quote,) = checked("The ferry: “the ferry runs every twenty minutes over Wend” [1].")
    assert quote.verdict == "not_found"  # two words from there are no piece
    (quote,) = checked("The ferry: “the ferry runs every twenty minutes and a footpath over the Wend” [1].")
    assert (quote.verdict, [place.number for place in quote.places]) == ("stitched", [1, 2])


def test_a_changed_word_is_not_found() -> None:
    (quote,) = checked("The notice says “cats travel free of charge” [1].")
    assert (quote.verdict, quote.places) == ("not_found", ())


def test_what_is_quoted_from_the_question_is_not_judged() -> None:
    assert checked("The “night boat” is the ferry [1].", question="What is the “night boat”?") == []


def test_a_quote_over_two_sentences_belongs_to_both_claims() -> None:
    (quote,) = checked("It says “The ferry runs every twenty minutes. Dogs travel free of charge.” [1]")
    assert quote.verdict == "supported"
