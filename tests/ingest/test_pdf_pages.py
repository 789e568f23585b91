"""Page pictures: the mark covers the words, also on turned and cropped pages."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import IngestError
from ingest.parsers.pdf_image import render_png
from ingest.parsers.registry import parse_source
from ingest.pdf_pages import merge_line_boxes, render_page
from ingest.sniff import identify
from ingest.types import ParseLimits
from tests.ingest.samples import pdf


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [None, (50, 60, 500, 800)])
def test_the_mark_covers_the_word(
    tmp_path: Path, rotation: int, crop: tuple[int, int, int, int] | None
) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(rotation)
        if crop:
            canvas.setCropBox(crop)
        canvas.setFont("Helvetica", 20)
        canvas.drawString(200, 300, "HERE")

    path = tmp_path / "a.pdf"
    path.write_bytes(pdf(draw))
    page = parse_source(identify(path, "a.pdf", ParseLimits())).pages[0]
    assert page.boxes is not None
    rectangles = merge_line_boxes(page.boxes)
    assert len(rectangles) == 1
    bare = pixels(render_png(path, 1, 1.5, []))
    marked = pixels(render_png(path, 1, 1.5, rectangles))
    word, mark = extent(bare.sum(axis=2) < 200), extent((bare != marked).any(axis=2))
    assert page.width_pt == pytest.approx(bare.shape[1] / 1.5, abs=1)
    assert np.abs(np.subtract(word, mark)).max() <= 5
    assert all(outer <= inner for outer, inner in zip(mark[:2], word[:2], strict=True))


def test_render_page_answers_from_a_child_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, place = tmp_path / "a.pdf", tmp_path / "pictures"
    path.write_bytes(pdf(["Hello"]))
    place.mkdir()
    drawn = render_page(path, 1, scale=1.0, boxes=[(72, 770, 100, 780)], place=place)
    assert pixels(drawn).shape == (842, 596, 3)
    monkeypatch.chdir(tmp_path)
    assert render_page(path, 1, scale=1.0, boxes=[(72, 770, 100, 780)], place=Path("pictures")) == drawn
    with pytest.raises(IngestError, match="no page 2"):
        render_page(path, 2, scale=1.0, boxes=[], place=place)
    assert list(place.iterdir()) == []


def test_boxes_merge_by_line_and_column() -> None:
    nan = [np.nan] * 4
    boxes = np.array(
        [[0, 10, 5, 20], [6, 10, 9, 18], nan, [12, 12, 20, 20], [0, 0, 5, 8], [90, 0, 95, 8], nan], np.float32
    )
    assert merge_line_boxes(boxes) == [(0, 10, 20, 20), (0, 0, 5, 8), (90, 0, 95, 8)]
    assert merge_line_boxes(np.empty((0, 4), np.float32)) == []
