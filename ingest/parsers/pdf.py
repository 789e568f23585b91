"""PDF through PDFium: pages with labels, one box a character, the outline as headings."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium

from ingest.cleaning import clean
from ingest.failures import ParseFailure
from ingest.ocr import find_recogniser, how_to_get_one
from ingest.parsers.pdf_forms import XFA_WARNING, has_fields, is_xfa, with_fields, with_xfa
from ingest.parsers.pdf_ocr import PageReader
from ingest.parsers.pdf_open import Damage, open_pdf
from ingest.parsers.pdf_outline import Outline
from ingest.parsers.pdf_tables import with_tables
from ingest.parsers.pdf_text import NO_TEXT, PageTable, PageText, read_page_text
from ingest.source import Source
from ingest.text_health import readable_pages
from ingest.types import Heading, Page, ParsedDocument, ParseLimits

_PAGE_GAP: Final = "\n\n"


def parse_pdf(source: Source) -> ParsedDocument:
    """Text, pages, boxes and outline of a PDF; a page that cannot be read is empty and named in a warning.

    A damaged file is repaired where that gives text; a warning names what it lost.
    Raises ParseFailure `file_encrypted`, `file_truncated`, `file_damaged` or `file_too_large`.
    """
    document, damage = open_pdf(source.path, source.password)
    with document:
        parsed = _parsed(document, source, damage)
    if damage is not None and not readable_pages(parsed):
        raise damage.refusal
    return parsed


def _parsed(document: pypdfium2.PdfDocument, source: Source, damage: Damage | None) -> ParsedDocument:
    reader = _reader(source)
    texts: list[str] = []
    pages: list[Page] = []
    unreadable: list[int] = []
    tables: list[PageTable] = []
    lost, end = 0, 0
    outline, headings = Outline(document), list[Heading]()
    for number, page_text in _page_texts(document, source, reader, unreadable):
        text, boxes = _with_gap(page_text)
        start, end = end, end + len(text)
        lost += page_text.lost
        tables.extend(
            PageTable(start + table.start, start + table.end, table.sure) for table in page_text.tables
        )
        texts.append(text)
        pages.append(_page(document, number, start, end, boxes))
        headings += outline.headings(pages[-1], text)
        source.early_page(text, _on_page(headings, start))
        _check_length(end, source.limits.text_chars)
    text = "".join(texts)
    return ParsedDocument(
        text=text,
        pages=tuple(pages),
        paged=True,
        media_type=source.media_type,
        headings=tuple(headings),
        title=clean(document.get_metadata_value("Title"))[0].strip() or None,
        characters_lost=lost,
        table_spans=tuple((table.start, table.end) for table in tables),
        doubtful_tables=tuple((table.start, table.end) for table in tables if not table.sure),
        recognised_pages=tuple(reader.recognised) if reader else (),
        warnings=(
            *(damage.warnings() if damage else ()),
            *_unreadable_warning(unreadable),
            *_recognition_warnings(reader, pages, damage, source.limits),
            *((XFA_WARNING,) if is_xfa(document) else ()),
        ),
    )


def _page_texts(
    document: pypdfium2.PdfDocument, source: Source, reader: PageReader | None, unreadable: list[int]
) -> Iterator[tuple[int, PageText]]:
    """Each page's number and text; pages are closed one by one to keep memory flat."""
    is_form = has_fields(document)
    for number in range(1, len(document) + 1):
        try:
            page = document[number - 1]
            text_page = page.get_textpage()
        except pypdfium2.PdfiumError:
            unreadable.append(number)
            yield number, NO_TEXT
        else:
            found = read_page_text(text_page)
            text_page.close()
            found = with_tables(reader.read(page, number, found) if reader else found)
            found = with_fields(document, page, found) if is_form else found
            yield number, with_xfa(document, found) if number == 1 else found
            page.close()
        source.on_page(number, len(document))


def _reader(source: Source) -> PageReader | None:
    recogniser = find_recogniser(source.limits.ocr_languages)
    return None if recogniser is None else PageReader(recogniser, source.limits.timeout_s)


def _recognition_warnings(
    reader: PageReader | None, pages: Sequence[Page], damage: Damage | None, limits: ParseLimits
) -> tuple[str, ...]:
    if reader is not None:
        return reader.warnings()
    lost = damage.lost_pages if damage else ()  # no recognition brings those back
    if all(page.start < page.end or page.number in lost for page in pages):
        return ()
    step = how_to_get_one(limits.ocr_languages)
    return (f"Pages without text were not recognised. {step}, where they matter.",)


def _on_page(headings: Sequence[Heading], start: int) -> list[Heading]:
    """Those of the page that starts at `start`, counted from there; it is the newest page."""
    first = bisect_left(headings, start, key=lambda heading: heading.start)
    return [replace(heading, start=heading.start - start) for heading in headings[first:]]


def _with_gap(page_text: PageText) -> tuple[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """The page's text and boxes, closed by an empty line so that no word runs into the next page."""
    text = page_text.text
    if not text:
        return text, page_text.boxes
    gap = np.full((len(_PAGE_GAP), 4), np.nan, np.float32)
    return text + _PAGE_GAP, np.concatenate([page_text.boxes, gap])


def _page(
    document: pypdfium2.PdfDocument,
    number: int,
    start: int,
    end: int,
    boxes: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> Page:
    size = pdfium.FS_SIZEF()
    known = pdfium.FPDF_GetPageSizeByIndexF(document, number - 1, size)
    label = clean(document.get_page_label(number - 1))[0].strip()
    return Page(
        number=number,
        start=start,
        end=end,
        label=label or None,
        width_pt=size.width if known else None,
        height_pt=size.height if known else None,
        boxes=boxes,
    )


def _check_length(chars: int, limit: int) -> None:
    if chars > limit:
        raise ParseFailure("file_too_large", f"Its text is longer than the limit of {limit:,} characters.")


def _unreadable_warning(numbers: list[int]) -> tuple[str, ...]:
    if not numbers:
        return ()
    return (f"{len(numbers)} pages could not be read: {', '.join(map(str, numbers[:20]))}.",)
