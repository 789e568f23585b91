"""A PDF page's text with one box a character, kept aligned through every repair.

PDFium's ready-made page text has another length than its character list on some pages, so the text is
built from the characters themselves. All repairs work on both arrays at once.
"""

from __future__ import annotations

import ctypes
from collections import deque
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Boxes = NDArray[np.float32]

_NEWLINE: Final = 0x0A
_SPACE: Final = 0x20
_HYPHEN: Final = 0x2D
_LINE_END_HYPHEN: Final = 0x02  # PDFium's mark for a hyphen that breaks a word at a line end
_REPLACEMENT: Final = 0xFFFD
_LAM: Final = 0x0644
_ALEFS: Final = (0x0622, 0x0623, 0x0625, 0x0627)  # with madda, hamza above, hamza below, plain
_PARAGRAPH_GAP: Final = 0.75  # white space over this share of a line's height starts a paragraph


def _with_addresses(function: Any, result: Any, *arguments: Any) -> Any:
    """`function` of PDFium with plain addresses for pointers, called without releasing the GIL."""
    prototype = ctypes.PYFUNCTYPE(result, *arguments)
    return prototype(ctypes.cast(function, ctypes.c_void_p).value or 0)


_get_unicode = _with_addresses(pdfium.FPDFText_GetUnicode, ctypes.c_uint, ctypes.c_void_p, ctypes.c_int)
_get_char_box = _with_addresses(
    pdfium.FPDFText_GetCharBox, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 4
)


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table's span in the page's text; `sure` when its rows carry the names of their columns."""

    start: int
    end: int
    sure: bool


@dataclass(frozen=True, slots=True)
class PageText:
    """Code points [T] and boxes [T, 4] (left, bottom, right, top in points; NaN without a box)."""

    codes: Codes
    boxes: Boxes
    lost: int  # control characters removed and impossible ones replaced
    tables: tuple[PageTable, ...] = ()

    @property
    def text(self) -> str:
        return self.codes.tobytes().decode("utf-32-le")


NO_TEXT: Final = PageText(np.empty(0, np.uint32), np.empty((0, 4), np.float32), lost=0)


def read_page_text(text_page: Any) -> PageText:
    """The text of a pypdfium2 text page, lines ended by `\\n`, paragraphs parted by an empty line."""
    codes, boxes = _read_characters(text_page)
    codes, boxes = _join_surrogates(codes, boxes)
    codes = _order_lam_alef(codes, boxes)
    codes, boxes = _join_hyphenated(codes, boxes)
    codes, boxes, lost = _drop_unusable(codes, boxes)
    boxes[(boxes[:, 0] >= boxes[:, 2]) | (boxes[:, 1] >= boxes[:, 3])] = np.nan
    boxes[codes == _NEWLINE] = np.nan
    codes, boxes = _part_paragraphs(codes, boxes)
    return PageText(codes, boxes, lost)


def _read_characters(text_page: Any) -> tuple[Codes, Boxes]:
    """Two C calls a character, the bulk of the time.

    `map` drives them without bytecode, and the boxes are written straight into the array: 3 times faster
    than the obvious loop.
    """
    handle = ctypes.cast(text_page.raw, ctypes.c_void_p).value
    count = max(pdfium.FPDFText_CountChars(text_page), 0)
    codes = np.fromiter(map(_get_unicode, repeat(handle), range(count)), np.uint32, count)
    boxes = np.zeros((count, 4), np.float64)
    start, end = boxes.ctypes.data, boxes.ctypes.data + boxes.nbytes
    left, bottom, right, top = (range(start + 8 * edge, end + 8 * edge, 32) for edge in range(4))
    deque(map(_get_char_box, repeat(handle), range(count), left, right, bottom, top), maxlen=0)
    return codes, boxes.astype(np.float32)


def _join_surrogates(codes: Codes, boxes: Boxes) -> tuple[Codes, Boxes]:
    """A UTF-16 pair becomes one character with the box of both; the rest is left for `_drop_unusable`."""
    high = np.flatnonzero((codes[:-1] & 0xFFFFFC00 == 0xD800) & (codes[1:] & 0xFFFFFC00 == 0xDC00))
    if not high.size:
        return codes, boxes
    codes, boxes = codes.copy(), boxes.copy()
    codes[high] = 0x10000 + ((codes[high] & 0x3FF) << 10) + (codes[high + 1] & 0x3FF)
    boxes[high, :2] = np.minimum(boxes[high, :2], boxes[high + 1, :2])
    boxes[high, 2:] = np.maximum(boxes[high, 2:], boxes[high + 1, 2:])
    keep = np.ones(codes.size, bool)
    keep[high + 1] = False
    return codes[keep], boxes[keep]


def _order_lam_alef(codes: Codes, boxes: Boxes) -> Codes:
    """Arabic lam-alef is drawn as one glyph; PDFium turns its two letters round with the line.

    Two letters with one box come from one glyph, so alef + lam there is lam + alef in the text.
    """
    one_glyph = (boxes[:-1] == boxes[1:]).all(axis=1)
    turned = np.flatnonzero(np.isin(codes[:-1], _ALEFS) & (codes[1:] == _LAM) & one_glyph)
    codes = codes.copy()
    codes[turned], codes[turned + 1] = _LAM, codes[turned]
    return codes


def _join_hyphenated(codes: Codes, boxes: Boxes) -> tuple[Codes, Boxes]:
    """`adip-` + `iscing` becomes `adipiscing`, so that search finds the word; other hyphens are kept."""
    marks = np.flatnonzero(codes == _LINE_END_HYPHEN)
    if not marks.size:
        return codes, boxes
    before = codes[np.maximum(marks - 1, 0)]
    after = codes[np.minimum(marks + 1, codes.size - 1)]
    breaks_word = np.array(
        [chr(a).isalpha() and chr(b).islower() for a, b in zip(before.tolist(), after.tolist(), strict=True)]
    )
    codes = codes.copy()
    codes[marks[~breaks_word]] = _HYPHEN
    keep = np.ones(codes.size, bool)
    keep[marks[breaks_word]] = False
    return codes[keep], boxes[keep]


def _drop_unusable(codes: Codes, boxes: Boxes) -> tuple[Codes, Boxes, int]:
    codes = np.where((codes == 0x2028) | (codes == 0x2029), _NEWLINE, codes)
    codes = np.where((codes == 0x09) | (codes == 0xA0), _SPACE, codes)
    impossible = (
        ((codes >= 0xD800) & (codes <= 0xDFFF))
        | ((codes >= 0xFDD0) & (codes <= 0xFDEF))
        | (codes & 0xFFFE == 0xFFFE)
        | (codes > 0x10FFFF)
    )
    codes = np.where(impossible, _REPLACEMENT, codes).astype(np.uint32)
    control = ((codes < _SPACE) & (codes != _NEWLINE)) | ((codes >= 0x7F) & (codes <= 0x9F))
    lost = int(control.sum() - (codes == 0x0D).sum() + impossible.sum())
    return codes[~control], boxes[~control], lost


def _part_paragraphs(codes: Codes, boxes: Boxes) -> tuple[Codes, Boxes]:
    """An empty line where the white space between two lines is large, or the text jumps to a new column."""
    breaks = np.flatnonzero(codes == _NEWLINE)
    if not breaks.size:
        return codes, boxes
    bottoms, tops = _line_extents(boxes, breaks)
    height = np.nanmedian(tops - bottoms) if np.isfinite(tops).any() else np.nan
    gap = bottoms[:-1] - tops[1:]  # negative when the next line stands higher: another column
    starts_paragraph = (gap > _PARAGRAPH_GAP * height) | (gap < -2.0 * height)
    places = breaks[starts_paragraph]
    return np.insert(codes, places, _NEWLINE), np.insert(boxes, places, np.float32(np.nan), axis=0)


def _line_extents(boxes: Boxes, breaks: NDArray[np.intp]) -> tuple[Boxes, Boxes]:
    """Lowest bottom and highest top of each line, NaN for lines without boxes; breaks.size + 1 of each."""
    starts = np.concatenate(([0], breaks))
    bottoms = np.where(np.isnan(boxes[:, 1]), np.inf, boxes[:, 1])
    tops = np.where(np.isnan(boxes[:, 3]), -np.inf, boxes[:, 3])
    lowest = np.minimum.reduceat(bottoms, starts)
    highest = np.maximum.reduceat(tops, starts)
    empty = ~np.isfinite(lowest)
    lowest[empty] = highest[empty] = np.nan
    return lowest.astype(np.float32), highest.astype(np.float32)
