"""Pictures of PDF pages with the cited lines marked, for the citation view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.failures import ParseFailure, ingest_error
from ingest.sandbox import run_in_child
from ingest.source import no_progress
from ingest.types import ParseLimits

LineBox = tuple[float, float, float, float]
"""Left, bottom, right, top in points, in the page's own space (before rotation and crop)."""

_RENDER_LIMITS: Final = ParseLimits(timeout_s=30.0)
_SAME_LINE_OVERLAP: Final = 0.5  # of the lower of two heights
_MAX_WORD_GAP: Final = 3.0  # heights; a wider gap is a column gap or a new line


def render_page(
    path: Path,
    page_number: int,
    *,
    scale: float,
    boxes: Sequence[LineBox],
    place: Path,
    limits: ParseLimits = _RENDER_LIMITS,
    password: str | None = None,
) -> bytes:
    """Page `page_number` (1-based) of the PDF at `path` as PNG bytes, `scale` pixels a point.

    Drawn in a child process, because drawing runs more native code on the file than reading does; the picture
    stands in the folder `place` until it is returned.
    Raises IngestError with the stage "parse".
    """
    task = {
        "task": "render",
        "path": str(path.resolve()),
        "page_number": page_number,
        "scale": scale,
        "boxes": [list(map(float, box)) for box in boxes],
    }
    try:
        with run_in_child(task, limits, no_progress, password, place=place.absolute()) as folder:
            return (folder / "page.png").read_bytes()
    except ParseFailure as failure:
        raise ingest_error(failure, "parse", path.name) from failure


def merge_line_boxes(boxes: NDArray[np.float32]) -> list[LineBox]:
    """Character boxes [n, 4] to the rectangles a reader would draw: one a line, or one a line and column.

    Rows of NaN (line breaks, spaces without ink) are skipped. Works for text along x; vertical writing
    gives one rectangle a character, which still marks the right place.
    """
    merged: list[LineBox] = []
    for left, bottom, right, top in boxes[~np.isnan(boxes).any(axis=1)].tolist():
        box = (left, bottom, right, top)
        if merged and _same_line(merged[-1], box):
            merged[-1] = _union(merged[-1], box)
        else:
            merged.append(box)
    return merged


def _same_line(line: LineBox, box: LineBox) -> bool:
    overlap = min(line[3], box[3]) - max(line[1], box[1])
    lower, higher = sorted((line[3] - line[1], box[3] - box[1]))
    gap = max(box[0] - line[2], line[0] - box[2])
    return overlap >= _SAME_LINE_OVERLAP * lower and gap <= _MAX_WORD_GAP * higher


def _union(a: LineBox, b: LineBox) -> LineBox:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
