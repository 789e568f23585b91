"""Recognised text of a PDF page, with boxes in the page's own space like any other text of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium

from ingest.cleaning import clean
from ingest.ocr import DPI, OcrFailed, Recogniser, Word
from ingest.parsers.pdf_text import PageText
from ingest.text_health import looks_garbled

_POINTS_PER_INCH: Final = 72
_FEW_CHARS: Final = 60  # a stamp or a page number on a scan, not the page's text
_MOST_OF_THE_PAGE: Final = 0.5  # of its area, covered by one picture
_MAX_PIXELS: Final = 40_000_000
_DOUBTFUL_BELOW: Final = 70.0  # percent, mean over the words of a page
_SHOWN_PROBLEMS: Final = 5
_PAGE_TIMEOUT_S: Final = 60.0
_BUDGET_SHARE: Final = 0.8  # of the parse's time limit; the rest is for what comes after


class PageReader:
    """Recognises pages that need it, as long as time is left. Keeps count for the report."""

    def __init__(self, recogniser: Recogniser, timeout_s: float) -> None:
        self.recognised: list[int] = []
        self.doubtful: list[int] = []
        self.problems: list[str] = []
        self.out_of_time: list[int] = []
        self._recogniser = recogniser
        self._deadline = time.monotonic() + _BUDGET_SHARE * timeout_s

    def read(self, page: Any, number: int, found: PageText) -> PageText:
        """The page's recognised text where `found` is none, unreadable or a mere stamp; else `found`."""
        if not needs_recognition(page, found.text):
            return found
        left = self._deadline - time.monotonic()
        if left <= 1.0:
            self.out_of_time.append(number)
            return found
        try:
            words, text = _recognise(page, self._recogniser, min(left, _PAGE_TIMEOUT_S))
        except (OcrFailed, pypdfium2.PdfiumError) as error:
            self.problems.append(f"Page {number}: {error}")
            return found
        if _letters(text.text) <= (0 if looks_garbled(found.text) else _letters(found.text)):
            return found
        self.recognised.append(number)
        if float(np.mean([word.confidence for word in words])) < _DOUBTFUL_BELOW:
            self.doubtful.append(number)
        return text

    def warnings(self) -> tuple[str, ...]:
        """What a person should know about recognised text."""
        return (
            *_pages(self.recognised, "were read by text recognition, which may mistake letters and figures"),
            *_pages(self.doubtful, "were hard to recognise: check them against the picture"),
            *_pages(
                self.out_of_time,
                "were left without text because time ran out; raise FOOTNOTE_PARSE_TIMEOUT_S and retry",
            ),
            *self.problems[:_SHOWN_PROBLEMS],
        )


def _pages(numbers: Sequence[int], what: str) -> tuple[str, ...]:
    if not numbers:
        return ()
    shown = ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
    return (f"{len(numbers)} pages {what}: {shown}.",)


def needs_recognition(page: Any, text: str) -> bool:
    """Whether the page shows something that its text does not say."""
    if text.strip() and not looks_garbled(text):
        return _letters(text) < _FEW_CHARS and _has_large_picture(page)
    return bool(pdfium.FPDFPage_CountObjects(page) > 0)


def _has_large_picture(page: Any) -> bool:
    width, height = page.get_size()
    for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = item.get_bounds()
        if (right - left) * (top - bottom) >= _MOST_OF_THE_PAGE * width * height:
            return True
    return False


def _recognise(page: Any, recogniser: Recogniser, timeout_s: float) -> tuple[list[Word], PageText]:
    width, height = page.get_size()
    scale = min(DPI / _POINTS_PER_INCH, (_MAX_PIXELS / max(width * height, 1.0)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=True)
    words = recogniser.read(bitmap.to_pil(), timeout_s)
    return words, _page_text(words, bitmap.get_posconv(page))


def _page_text(words: Sequence[Word], converter: Any) -> PageText:
    """Words with spaces, lines with breaks, paragraphs with an empty line; each letter has its word's box."""
    texts: list[str] = []
    boxes: list[tuple[float, float, float, float]] = []
    nothing = (np.nan,) * 4
    before: tuple[int, int, int] | None = None
    for place, line in groupby(words, key=lambda word: word.line):
        gap = "" if before is None else "\n" if place[:2] == before[:2] else "\n\n"
        before = place
        texts.append(gap)
        boxes.extend([nothing] * len(gap))
        for position, word in enumerate(line):
            text = clean(word.text)[0].replace("\n", " ")
            space = " " if position else ""
            texts.append(space + text)
            boxes.extend([nothing] * len(space) + [_to_points(word, converter)] * len(text))
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).copy()
    return PageText(codes, np.array(boxes, np.float32).reshape(-1, 4), lost=0)


def _to_points(word: Word, converter: Any) -> tuple[float, float, float, float]:
    """Two opposite corners in points, ordered again: a turned page exchanges them."""
    (x1, y1), (x2, y2) = converter.to_page(word.left, word.bottom), converter.to_page(word.right, word.top)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))
