"""Where text may be cut: sections at headings, pages, paragraphs, table rows, sentences.

Every function maps a span of the document text to the spans inside it, in order; what lies between two
spans is white space only.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ingest.types import Heading, ParsedDocument

Span = tuple[int, int]

MAX_WINDOW_CHARS: Final = 50_000  # text handed to the tokenizer at once
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*")
_LINE_END = re.compile(r"\n")
_SENTENCE_END = re.compile(
    r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=[\"'“‘«(\[]*[^\W_a-z])"  # not before a small letter: "e.g. this"
    r"|(?<=[。！？｡])[”’」』）]*"
    r"|(?<=[؟۔।॥])\s+"
    r"|\n(?=\s*(?:[-•*–·▪]|\(?\d{1,3}[.)])\s)"  # list items
)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one heading path."""

    start: int
    end: int
    headings: tuple[str, ...]  # outermost first


def sections(parsed: ParsedDocument) -> Iterator[Section]:
    """The document's sections; a heading with nothing below it stays with the next heading."""
    headings = sorted(parsed.headings, key=lambda heading: heading.start)
    edges = [*(heading.start for heading in headings), len(parsed.text)]
    start = edges[0]
    yield from _section(parsed.text, 0, start, [])
    path: list[Heading] = []
    for heading, end in zip(headings, edges[1:], strict=True):
        path = [item for item in path if item.level < heading.level] + [heading]
        if _has_body(parsed.text, heading.start, end):
            yield from _section(parsed.text, start, end, path)
            start = end
    yield from _section(parsed.text, start, len(parsed.text), path)


def _section(text: str, start: int, end: int, path: list[Heading]) -> Iterator[Section]:
    if text[start:end].strip():
        yield Section(start, end, tuple(heading.text for heading in path))


def _has_body(text: str, heading_start: int, end: int) -> bool:
    line_end = text.find("\n", heading_start, end)
    return line_end >= 0 and bool(text[line_end:end].strip())


def page_parts(parsed: ParsedDocument, span: Span) -> Iterator[Span]:
    """`span` cut where pages end, if pages mean something: a citation then opens one page."""
    if not parsed.paged:
        yield span
        return
    starts = [page.start for page in parsed.pages]
    cuts = starts[bisect_left(starts, span[0] + 1) : bisect_left(starts, span[1])]
    edges = [span[0], *cuts, span[1]]
    yield from ((a, b) for a, b in pairwise(edges) if a < b)


def windows(text: str, span: Span) -> Iterator[Span]:
    """`span` cut into at most MAX_WINDOW_CHARS, at the last paragraph, line or word end that fits."""
    start, end = span
    while end - start > MAX_WINDOW_CHARS:
        limit = start + MAX_WINDOW_CHARS
        cut = max(text.rfind("\n\n", start + 1, limit), 0) or max(text.rfind("\n", start + 1, limit), 0)
        cut = cut or max(text.rfind(" ", start + 1, limit), 0) or limit
        yield start, cut
        start = cut
    yield start, end


def paragraphs(parsed: ParsedDocument, span: Span) -> Iterator[Span]:
    """Paragraphs of `span`; inside a table each row is one."""
    position = span[0]
    first = bisect_left(parsed.table_spans, (span[0], -1))
    for table in parsed.table_spans[max(first - 1, 0) :]:
        if table[0] >= span[1]:
            break
        start, end = max(table[0], position), min(table[1], span[1])
        if start < end:
            yield from _split(parsed.text, (position, start), _PARAGRAPH_END)
            yield from _split(parsed.text, (start, end), _LINE_END)
            position = end
    yield from _split(parsed.text, (position, span[1]), _PARAGRAPH_END)


def sentences(text: str, span: Span) -> Iterator[Span]:
    """Sentences and list items of a paragraph."""
    yield from _split(text, span, _SENTENCE_END)


def _split(text: str, span: Span, boundary: re.Pattern[str]) -> Iterator[Span]:
    position = span[0]
    for found in boundary.finditer(text, *span):
        yield from _visible(text, (position, found.end()))
        position = found.end()
    yield from _visible(text, (position, span[1]))


def _visible(text: str, span: Span) -> Iterator[Span]:
    """`span` without white space at its edges, or nothing."""
    trimmed = trim(text, span)
    if trimmed[0] < trimmed[1]:
        yield trimmed


def trim(text: str, span: Span) -> Span:
    """`span` without white space at its edges."""
    part = text[span[0] : span[1]]
    start = span[0] + len(part) - len(part.lstrip())
    return start, max(start, span[0] + len(part.rstrip()))
