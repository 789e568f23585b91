"""A parsed document as plain files in a folder: how the child hands its result to the parent.

JSON, UTF-8 text and a numpy array without pickles: reading it back runs no code of the child's choosing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.types import Heading, Page, ParsedDocument

_TEXT: Final = "text.txt"
_STRUCTURE: Final = "structure.json"
_BOXES: Final = "boxes.npy"
RESULT_FILES: Final = (_TEXT, _BOXES, _STRUCTURE)


def save_parsed(parsed: ParsedDocument, folder: Path) -> None:
    """Write `parsed` into `folder`."""
    (folder / _TEXT).write_text(parsed.text, encoding="utf-8", newline="")
    boxes = [page.boxes for page in parsed.pages if page.boxes is not None]
    if boxes:
        np.save(folder / _BOXES, np.concatenate(boxes), allow_pickle=False)
    bare = replace(parsed, text="", pages=tuple(replace(page, boxes=None) for page in parsed.pages))
    structure = {**asdict(bare), "boxed": [page.boxes is not None for page in parsed.pages]}
    (folder / _STRUCTURE).write_text(json.dumps(structure), encoding="utf-8")


def load_parsed(folder: Path) -> ParsedDocument:
    """The document that `save_parsed` wrote into `folder`."""
    text = (folder / _TEXT).read_bytes().decode("utf-8")
    structure: dict[str, Any] = json.loads((folder / _STRUCTURE).read_text(encoding="utf-8"))
    return ParsedDocument(
        text=text,
        pages=_with_boxes([Page(**page) for page in structure["pages"]], structure["boxed"], folder / _BOXES),
        paged=structure["paged"],
        media_type=structure["media_type"],
        headings=tuple(Heading(**heading) for heading in structure["headings"]),
        table_spans=tuple((start, end) for start, end in structure["table_spans"]),
        title=structure["title"],
        characters_lost=structure["characters_lost"],
        doubtful_tables=tuple((start, end) for start, end in structure["doubtful_tables"]),
        recognised_pages=tuple(structure["recognised_pages"]),
        warnings=tuple(structure["warnings"]),
    )


def _with_boxes(pages: Sequence[Page], boxed: Sequence[bool], path: Path) -> tuple[Page, ...]:
    if not path.exists():
        return tuple(pages)
    boxes: NDArray[np.float32] = np.load(path, allow_pickle=False)
    filled, offset = [], 0
    for page, has_boxes in zip(pages, boxed, strict=True):
        length = page.end - page.start
        filled.append(replace(page, boxes=boxes[offset : offset + length]) if has_boxes else page)
        offset += length if has_boxes else 0
    return tuple(filled)
