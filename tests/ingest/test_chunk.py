"""Chunks: exact slices, within the budget, nothing lost, cut where the structure says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.builder import DocumentBuilder
from ingest.chunk import chunk
from ingest.types import ParsedDocument, TokenSpans

WORDS = st.sampled_from(
    ["alpha", "Beta.", "gamma,", "δέλτα", "東京。", "x" * 300, "e\u0301", "1.5", "-", "👩‍👧", "\t"]
)
BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(["page", "heading1", "heading2", "paragraph", "tight", "table"]),
        st.lists(WORDS, max_size=40).map(" ".join),
    ),
    max_size=20,
)


def word_spans(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]


def letter_spans(text: str) -> list[tuple[int, int]]:
    return [(at, at + 1) for at, letter in enumerate(text) if not letter.isspace()]


def build(blocks: list[tuple[str, str]], *, paged: bool) -> ParsedDocument:
    builder = DocumentBuilder(1_000_000)
    for kind, text in blocks:
        match kind:
            case "page":
                builder.page()
            case "heading1" | "heading2":
                builder.heading(int(kind[-1]), text)
            case "table":
                builder.table(text.split(", "))
            case _:
                builder.paragraph(text, tight=kind == "tight")
    return builder.build("text/plain", paged=paged)


@given(BLOCKS, st.booleans(), st.sampled_from([word_spans, letter_spans]), st.integers(4, 60))
@settings(deadline=None)
def test_chunks_are_exact_bounded_ordered_and_complete(
    blocks: list[tuple[str, str]], paged: bool, token_spans: TokenSpans, max_tokens: int
) -> None:
    parsed = build(blocks, paged=paged)
    chunks = chunk(parsed, token_spans, max_tokens)
    end = 0
    for position, draft in enumerate(chunks):
        assert draft.position == position
        assert draft.text == parsed.text[draft.start : draft.end] == draft.text.strip() != ""
        assert draft.tokens == len(token_spans(draft.text)) <= max_tokens
        assert draft.start >= end
        assert not parsed.text[end : draft.start].strip()
        assert (draft.page_first, draft.page_last) == ((draft.page_first,) * 2)
        assert (draft.page_first is None) == (not paged)
        end = draft.end
    assert not parsed.text[end:].strip()


def test_headings_start_chunks_and_give_the_path(token_spans: TokenSpans) -> None:
    blocks = [
        ("paragraph", "Preface."),
        ("heading1", "Leave"),
        ("heading2", "Parents"),
        ("paragraph", "Sixteen weeks."),
        ("heading2", "Sick"),
        ("paragraph", "Call by nine."),
        ("heading1", "Travel"),
        ("paragraph", "Second class."),
    ]
    chunks = chunk(build(blocks, paged=False), token_spans, 100)
    assert [(draft.headings, draft.text) for draft in chunks] == [
        ((), "Preface."),
        (("Leave", "Parents"), "Leave\n\nParents\n\nSixteen weeks."),
        (("Leave", "Sick"), "Sick\n\nCall by nine."),
        (("Travel",), "Travel\n\nSecond class."),
    ]


def test_a_page_starts_a_chunk_and_names_it(token_spans: TokenSpans) -> None:
    parsed = build(
        [("page", ""), ("paragraph", "One."), ("page", ""), ("page", ""), ("paragraph", "Three.")], paged=True
    )
    assert [(draft.text, draft.page_first) for draft in chunk(parsed, token_spans, 100)] == [
        ("One.", 1),
        ("Three.", 3),
    ]


def test_a_paragraph_that_fits_alone_is_not_cut(token_spans: TokenSpans) -> None:
    parsed = build([("paragraph", "a " * 7), ("paragraph", "b. " * 4)], paged=False)
    assert [draft.tokens for draft in chunk(parsed, token_spans, 10)] == [7, 8]


def test_sentences_stay_whole_where_they_fit(token_spans: TokenSpans) -> None:
    parsed = build([("paragraph", "One two three. Four five six. Seven eight nine.")], paged=False)
    assert [draft.text for draft in chunk(parsed, token_spans, 8)] == [
        "One two three. Four five six.",
        "Seven eight nine.",
    ]


def test_table_rows_are_not_split(token_spans: TokenSpans) -> None:
    builder = DocumentBuilder(10_000)
    builder.table(f"Item: part {number}. New | Price: {number} EUR" for number in range(20))
    chunks = chunk(builder.build("text/csv"), token_spans, 30)
    assert len(chunks) > 3
    assert all(row.count("|") == 1 for draft in chunks for row in draft.text.split("\n"))


def test_a_word_without_end_is_cut_by_its_letters(token_spans: TokenSpans) -> None:
    chunks = chunk(build([("paragraph", "x" * 5000)], paged=False), token_spans, 50)
    assert "".join(draft.text for draft in chunks) == "x" * 5000
    assert max(len(draft.text) for draft in chunks) <= 50 * 16


def test_a_long_text_is_cut_in_linear_steps(token_spans: TokenSpans) -> None:
    parsed = build([("paragraph", "alpha beta " * 30_000)], paged=False)
    chunks = chunk(parsed, token_spans, 200)
    assert sum(draft.tokens for draft in chunks) == 60_000
    assert len(chunks) < 1.1 * 60_000 / 200


def test_no_text_gives_no_chunks(token_spans: TokenSpans) -> None:
    assert chunk(build([], paged=False), token_spans, 10) == []


@pytest.mark.parametrize("max_tokens", [1, 2])
def test_tiny_budgets_still_end(token_spans: TokenSpans, max_tokens: int) -> None:
    chunks = chunk(build([("paragraph", "One, two; three.")], paged=False), token_spans, max_tokens)
    assert all(draft.tokens <= max_tokens for draft in chunks)


def test_a_tokenizer_that_counts_pieces_higher_is_still_obeyed() -> None:
    def moody(text: str) -> list[tuple[int, int]]:
        spans = word_spans(text)
        return spans if len(text) > 500 else [span for span in spans for _ in range(3)]

    parsed = build([("paragraph", "alpha beta " * 100)], paged=False)
    chunks = chunk(parsed, moody, 30)
    assert max(draft.tokens for draft in chunks) <= 30
    assert "".join("".join(draft.text.split()) for draft in chunks) == "alphabeta" * 100
