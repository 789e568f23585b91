"""A PDF page's text as lines of cells: pieces of a line with wide gaps between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.parsers.pdf_text import Boxes, PageText

_WIDE_GAP: Final = 0.9  # of the line's height; a space between words is a third of that
_SAME_LINE: Final = 0.5  # of the lower height, shared by both
_NEWLINE: Final = 0x0A
_CURRENCY = re.compile(r"[$€£¥]")
_CLOSING = re.compile(r"[%)]+")


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line: its place in the page's text and where it stands on the page, in points."""

    start: int
    end: int
    left: float
    right: float
    text: str

    @property
    def center(self) -> float:
        return (self.left + self.right) / 2


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the page's text."""

    start: int
    end: int
    bottom: float  # points
    top: float
    cells: tuple[Cell, ...]

    @property
    def height(self) -> float:
        return self.top - self.bottom


def read_lines(page: PageText) -> list[Line]:
    """The page's lines that have ink, in the order of the text."""
    if not _has_wide_gaps(page.boxes):
        return []
    text = page.text
    edges = [-1, *np.flatnonzero(page.codes == _NEWLINE).tolist(), page.codes.size]
    lines: list[Line] = []
    for start, end in pairwise(edges):
        line = _line(text, page.boxes, start + 1, end)
        if line is not None and lines and _goes_on(lines[-1], line):
            lines[-1] = _together(lines[-1], line)
        elif line is not None:
            lines.append(line)
    return lines


def _goes_on(before: Line, line: Line) -> bool:
    """PDFium ends a line before a lone letter or digit; on paper it stands to the right on the same line."""
    shared = min(before.top, line.top) - max(before.bottom, line.bottom)
    return (
        shared > _SAME_LINE * min(before.height, line.height)
        and line.cells[0].left > before.cells[-1].right + _WIDE_GAP * before.height
    )


def _together(before: Line, line: Line) -> Line:
    bottom, top = min(before.bottom, line.bottom), max(before.top, line.top)
    return Line(before.start, line.end, bottom, top, before.cells + line.cells)


def _has_wide_gaps(boxes: Boxes) -> bool:
    """Whether the page could hold a table at all: most pages are running text, and are left alone."""
    ink = boxes[~np.isnan(boxes[:, 0])]
    if len(ink) < 2:
        return False
    gaps = ink[1:, 0] - ink[:-1, 2]
    return int((gaps > _WIDE_GAP * np.median(ink[:, 3] - ink[:, 1])).sum()) >= 4


def _line(text: str, boxes: Boxes, start: int, end: int) -> Line | None:
    ink = start + np.flatnonzero(~np.isnan(boxes[start:end, 0]) & _visible(text[start:end]))
    if not ink.size:
        return None
    bottom, top = float(boxes[ink, 1].min()), float(boxes[ink, 3].max())
    gaps = boxes[ink[1:], 0] - boxes[ink[:-1], 2]
    parts = np.split(ink, np.flatnonzero(gaps > _WIDE_GAP * (top - bottom)) + 1)
    return Line(start, end, bottom, top, tuple(_joined([_cell(text, boxes, part) for part in parts])))


def _visible(text: str) -> NDArray[np.bool_]:
    return np.array([not letter.isspace() for letter in text], bool)


def _cell(text: str, boxes: Boxes, ink: NDArray[np.intp]) -> Cell:
    start, end = int(ink[0]), int(ink[-1]) + 1
    return Cell(start, end, float(boxes[ink, 0].min()), float(boxes[ink, 2].max()), text[start:end])


def _joined(cells: Sequence[Cell]) -> Iterator[Cell]:
    """A lone currency sign belongs to the amount behind it, a percent sign to the one before it."""
    before: Cell | None = None
    for cell in cells:
        if before is not None and (_CURRENCY.fullmatch(before.text) or _CLOSING.fullmatch(cell.text)):
            text = f"{before.text} {cell.text}"
            before = Cell(before.start, cell.end, before.left, cell.right, text)
            continue
        if before is not None:
            yield before
        before = cell
    if before is not None:
        yield before
