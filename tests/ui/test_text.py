"""Text is data: whatever it holds, it comes out as text."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.text import counted, escape_markdown, file_size, marked_html, place, shortened


@pytest.mark.parametrize(
    "text",
    [
        "![pixel](http://leak.example/a.png)",
        "<script>alert(1)</script>",
        "# heading",
        "1. item",
        ":red[words] and $x^2$",
        "`code` *star* _under_ [link](x)",
    ],
)
def test_no_punctuation_that_markdown_could_act_on_is_left_bare(text):
    escaped = escape_markdown(text)

    assert not re.search(r"(?<!\\)[!\[\]()<>#*_`:$.]", escaped.replace("\\\\", ""))
    assert re.sub(r"\\(.)", r"\1", escaped) == text


def test_line_breaks_survive_markdown():
    assert escape_markdown("one\ntwo") == "one  \ntwo"


@given(st.text(max_size=60), st.integers(-5, 70), st.integers(-5, 70))
def test_marked_html_holds_the_text_and_no_tag_but_its_own(text, start, end):
    marked = marked_html(text, start, end)

    assert html.unescape(re.sub(r"</?mark>", "", marked)) == text or "mark>" in text
    assert set(re.findall(r"<[^>]*>", marked)) <= {"<mark>", "</mark>"}


def test_the_span_is_marked_and_an_impossible_one_marks_nothing():
    assert marked_html("a < b & c", 2, 3) == "a <mark>&lt;</mark> b &amp; c"
    assert marked_html("words", 3, 9) == "words"
    assert marked_html("words", 2, 2) == "words"


def test_small_phrases():
    assert place("a.pdf", 3) == "a.pdf, page 3"
    assert place("a.md", None) == "a.md"
    assert shortened("one  two\nthree, four", 16) == "one two three…"
    assert [file_size(size) for size in (999, 1_500, 12_345, 2_500_000, 5_000_000_000)] == [
        "999 bytes",
        "1.5 kB",
        "12 kB",
        "2.5 MB",
        "5.0 GB",
    ]
    assert (counted(1, "page"), counted(2000, "page")) == ("1 page", "2,000 pages")
