"""The builder keeps every offset true, whatever goes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.builder import DocumentBuilder
from ingest.cleaning import clean
from ingest.failures import ParseFailure

TEXTS = st.text(max_size=30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("page"), TEXTS),
        st.tuples(st.just("paragraph"), TEXTS),
        st.tuples(st.just("heading"), TEXTS),
        st.tuples(st.just("table"), TEXTS),
    ),
    max_size=15,
)


@given(STEPS)
def test_offsets_are_true(steps: list[tuple[str, str]]) -> None:
    builder = DocumentBuilder(10_000)
    for kind, text in steps:
        match kind:
            case "page":
                builder.page(text)
            case "paragraph":
                builder.paragraph(text)
            case "heading":
                builder.heading(1, text)
            case "table":
                builder.table([text, "a | b"])
    parsed = builder.build("text/plain", paged=True)
    assert "\0" not in parsed.text
    assert "\r" not in parsed.text
    edges = [parsed.pages[0].start, *(page.end for page in parsed.pages)]
    assert edges == sorted(edges)
    assert all(page.start == end for page, end in zip(parsed.pages, edges, strict=False))
    assert (edges[0], edges[-1]) == (0, len(parsed.text))
    for heading in parsed.headings:
        assert parsed.text.startswith(heading.text, heading.start)
    for start, end in parsed.table_spans:
        assert parsed.text[start:end].endswith("a | b")


def test_text_over_the_limit_is_refused() -> None:
    builder = DocumentBuilder(10)
    with pytest.raises(ParseFailure, match="longer than the limit"):
        builder.paragraph("x" * 11)


def test_clean_counts_what_it_removes() -> None:
    text, lost = clean("a\0b\r\nc\x1b[31mred\x1b[0m\x07\ud800\u2028d\te")
    assert text == "ab\ncred\ufffd\nd\te"
    assert lost == 5


def test_the_document_carries_the_count() -> None:
    builder = DocumentBuilder(100)
    builder.paragraph("a\0b\x07")
    assert builder.build("text/plain").characters_lost == 2
