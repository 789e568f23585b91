"""What the child writes, the parent reads back unchanged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ingest.types import Heading, Page, ParsedDocument
from ingest.wire import load_parsed, save_parsed

BARE = ParsedDocument(
    text="Größe 😀\n\nb",
    pages=(Page(1, 0, 9, label="iii", width_pt=595.0, height_pt=842.0), Page(2, 9, 9), Page(3, 9, 10)),
    paged=True,
    media_type="application/pdf",
    headings=(Heading(1, "Größe", 0),),
    table_spans=((0, 5), (9, 10)),
    title=None,
    warnings=("one.",),
)


def test_a_document_without_boxes(tmp_path: Path) -> None:
    save_parsed(BARE, tmp_path)
    assert load_parsed(tmp_path) == BARE


def test_boxes_return_to_their_pages(tmp_path: Path) -> None:
    boxes = np.arange(36, dtype=np.float32).reshape(9, 4)
    boxes[3] = np.nan
    last = np.ones((1, 4), np.float32)
    pages = (replace(BARE.pages[0], boxes=boxes), BARE.pages[1], replace(BARE.pages[2], boxes=last))
    save_parsed(replace(BARE, pages=pages), tmp_path)
    loaded = load_parsed(tmp_path)
    np.testing.assert_array_equal(loaded.pages[0].boxes, boxes)
    assert loaded.pages[1].boxes is None
    np.testing.assert_array_equal(loaded.pages[2].boxes, last)
