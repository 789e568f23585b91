"""A PDF's outline (bookmarks) as headings that stand where the section starts in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium

from ingest.cleaning import clean
from ingest.types import Heading, Page

_MAX_DEPTH: Final = 8
_MAX_ENTRIES: Final = 5_000


def read_outline(document: pypdfium2.PdfDocument, text: str, pages: Sequence[Page]) -> tuple[Heading, ...]:
    """The outline's entries in text order; entries without a page of this document are left out."""
    headings = (_heading(entry, text, pages) for entry in _entries(document))
    unique = {heading.start: heading for heading in headings if heading is not None}
    return tuple(unique[start] for start in sorted(unique))


def _entries(document: pypdfium2.PdfDocument) -> Iterator[Any]:
    for count, entry in enumerate(document.get_toc(max_depth=_MAX_DEPTH)):
        if count == _MAX_ENTRIES:
            return
        yield entry


def _heading(entry: Any, text: str, pages: Sequence[Page]) -> Heading | None:
    title = " ".join(clean(entry.get_title())[0].split())
    destination = entry.get_dest()
    index = destination.get_index() if destination else None
    if not title or index is None or index >= len(pages):
        return None
    page = pages[index]
    start = _title_start(title, text, page)
    if start is None:
        start = _start_at_height(destination, page)
    return Heading(level=entry.level + 1, text=title, start=start)


def _title_start(title: str, text: str, page: Page) -> int | None:
    """Where the title begins a line of its page, whatever its spacing and section number."""
    words = r"\s+".join(map(re.escape, title.split()))
    found = re.compile(rf"^[\d.\s]*{words}", re.I | re.M).search(text, page.start, page.end)
    return found.start() + len(found[0]) - len(found[0].lstrip()) if found else None


def _start_at_height(destination: Any, page: Page) -> int:
    """The first line at or below the height that the entry points to; the page's start without one."""
    mode, position = destination.get_view()
    height = {pdfium.PDFDEST_VIEW_XYZ: position[1:2], pdfium.PDFDEST_VIEW_FITH: position[0:1]}.get(mode)
    if not height or not height[0] or page.boxes is None:
        return page.start
    below = np.flatnonzero(page.boxes[:, 1] <= height[0])
    return page.start + int(below[0]) if below.size else page.start
