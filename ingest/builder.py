"""Collects blocks into one document text, keeping where headings, tables and pages stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ingest.cleaning import clean
from ingest.failures import ParseFailure
from ingest.types import Heading, Page, ParsedDocument

BLOCK_GAP: Final = "\n\n"


class DocumentBuilder:
    """Appends blocks in reading order; `build` gives the parsed document.

    Blocks are parted by a blank line, which the chunker reads as the end of a paragraph.
    Raises ParseFailure `file_too_large` once the text passes `max_chars`.
    """

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._parts: list[str] = []
        self._length = 0
        self._pages: list[tuple[int, str | None]] = []
        self._page_is_fresh = True  # nothing on this page yet: the next block needs no gap
        self._headings: list[Heading] = []
        self._tables: list[tuple[int, int]] = []
        self._lost = 0
        self._doubtful: list[tuple[int, int]] = []
        self._recognised: list[int] = []

    def page(self, label: str | None = None) -> None:
        """Start the next page; blocks added before the first call are a page of their own."""
        if self._length and not self._pages:
            self._pages.append((0, None))
        if not self._page_is_fresh:
            self._append(BLOCK_GAP)
        self._pages.append((self._length, label))
        self._page_is_fresh = True

    def paragraph(self, text: str, *, tight: bool = False) -> tuple[int, int] | None:
        """Append a block and return its span; None when nothing is left of it.

        `tight` joins it to the block before with a plain line break, as list items are.
        """
        cleaned, lost = clean(text)
        self._lost += lost
        cleaned = "\n".join(line.rstrip() for line in cleaned.split("\n")).strip("\n")
        if not cleaned.strip():
            return None
        if not self._page_is_fresh:
            self._append("\n" if tight else BLOCK_GAP)
        start = self._length
        self._append(cleaned)
        self._page_is_fresh = False
        return start, self._length

    def heading(self, level: int, text: str) -> None:
        """Append a heading on a line of its own."""
        cleaned, lost = clean(text)
        self._lost += lost
        line = " ".join(cleaned.split())
        span = self.paragraph(line)
        if span is not None:
            self._headings.append(Heading(level=level, text=line, start=span[0]))

    def table(self, lines: Iterable[str]) -> None:
        """Append a table, one row a line."""
        rows = (" ".join(line.split("\n")).strip() for line in lines)
        span = self.paragraph("\n".join(row for row in rows if row))
        if span is not None:
            self._tables.append(span)

    def document(self, name: str, parsed: ParsedDocument) -> None:
        """Append a whole document below a heading with its name; its pages follow as pages of this one.

        Its text is clean already. Boxes are left out: they belong to pages of another file.
        """
        for page in parsed.pages:
            label = name if not parsed.paged else f"{name} {page.label or page.number}"
            self.page(label)
            if page.number == 1:
                self.heading(1, name)
            self._slice(parsed, page)
            if page.number in parsed.recognised_pages:
                self._recognised.append(len(self._pages))
        self._lost += parsed.characters_lost

    def build(
        self, media_type: str, *, paged: bool = False, title: str | None = None, warnings: Sequence[str] = ()
    ) -> ParsedDocument:
        """The document; a format without pages gets one."""
        return ParsedDocument(
            text="".join(self._parts),
            pages=self._page_slices(),
            paged=paged,
            media_type=media_type,
            headings=tuple(self._headings),
            table_spans=tuple(self._tables),
            title=clean(title)[0].strip() or None if title else None,
            characters_lost=self._lost,
            doubtful_tables=tuple(self._doubtful),
            recognised_pages=tuple(self._recognised),
            warnings=tuple(warnings),
        )

    def _slice(self, parsed: ParsedDocument, page: Page) -> None:
        """One page of another document with its headings and tables at their new places."""
        text = parsed.text[page.start : page.end].rstrip("\n")
        if not text.strip():
            return
        if not self._page_is_fresh:
            self._append(BLOCK_GAP)
        moved = self._length - page.start
        self._append(text)
        self._page_is_fresh = False
        self._headings.extend(
            Heading(level=heading.level + 1, text=heading.text, start=heading.start + moved)
            for heading in parsed.headings
            if page.start <= heading.start < page.end
        )
        self._tables.extend(_moved(parsed.table_spans, page.start, page.start + len(text), moved))
        self._doubtful.extend(_moved(parsed.doubtful_tables, page.start, page.start + len(text), moved))

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._max_chars:
            raise ParseFailure(
                "file_too_large", f"Its text is longer than the limit of {self._max_chars:,} characters."
            )

    def _page_slices(self) -> tuple[Page, ...]:
        starts = self._pages or [(0, None)]
        ends = [start for start, _ in starts[1:]] + [self._length]
        return tuple(
            Page(number=number, start=start, end=end, label=label)
            for number, ((start, label), end) in enumerate(zip(starts, ends, strict=True), 1)
        )


def _moved(
    spans: Iterable[tuple[int, int]], start: int, end: int, distance: int
) -> Iterator[tuple[int, int]]:
    """The spans that start within start..end, cut at its end, moved by `distance`."""
    for first, last in spans:
        if start <= first < end:
            yield first + distance, min(last, end) + distance
