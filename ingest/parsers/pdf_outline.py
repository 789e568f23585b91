"""A PDF's outline (bookmarks) as headings that stand where the section starts in the text."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, Final

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium

from ingest.cleaning import clean
from ingest.types import Heading, Page

_MAX_DEPTH: Final = 8
_MAX_ENTRIES: Final = 5_000


class Outline:
    """The outline's entries by page; those without a page of this document are left out."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._entries: dict[int, list[Any]] = {}
        for entry in islice(document.get_toc(max_depth=_MAX_DEPTH), _MAX_ENTRIES):
            destination = entry.get_dest()
            index = destination.get_index() if destination else None
            if index is not None:
                self._entries.setdefault(index, []).append(entry)

    def headings(self, page: Page, text: str) -> tuple[Heading, ...]:
        """The headings on a page with this text, in order, at their places in the document."""
        found = (_heading(entry, text, page) for entry in self._entries.get(page.number - 1, ()))
        unique = {heading.start: heading for heading in found if heading is not None}
        return tuple(unique[start] for start in sorted(unique))


def _heading(entry: Any, text: str, page: Page) -> Heading | None:
    title = " ".join(clean(entry.get_title())[0].split())
    if not title:
        return None
    start = _title_start(title, text)
    if start is None:
        start = _start_at_height(entry.get_dest(), page)
    return Heading(level=entry.level + 1, text=title, start=page.start + start)


def _title_start(title: str, text: str) -> int | None:
    """Where the title begins a line of its page, whatever its spacing and section number."""
    words = r"\s+".join(map(re.escape, title.split()))
    found = re.compile(rf"^[\d.\s]*{words}", re.I | re.M).search(text)
    return found.start() + len(found[0]) - len(found[0].lstrip()) if found else None


def _start_at_height(destination: Any, page: Page) -> int:
    """The first line at or below the height that the entry points to; 0, the page's start, without one."""
    mode, position = destination.get_view()
    height = {pdfium.PDFDEST_VIEW_XYZ: position[1:2], pdfium.PDFDEST_VIEW_FITH: position[0:1]}.get(mode)
    if not height or not height[0] or page.boxes is None:
        return 0
    below = np.flatnonzero(page.boxes[:, 1] <= height[0])
    return int(below[0]) if below.size else 0
