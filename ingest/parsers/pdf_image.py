"""A PDF page as a PNG with marked boxes. Runs in the child process."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pypdfium2
from PIL import Image, ImageChops, ImageDraw

from ingest.failures import ParseFailure
from ingest.parsers.pdf_open import open_pdf

_MARK: Final = (255, 235, 90)  # multiplied with the page, like a highlighter: black letters stay black
_MARGIN_PX: Final = 2
_MAX_PIXELS: Final = 25_000_000

PdfBox = Sequence[float]
"""Left, bottom, right, top in the page's own space, in points."""


def render_png(
    path: Path, page_number: int, scale: float, boxes: Sequence[PdfBox], password: str | None = None
) -> bytes:
    """Page `page_number` (1-based) at `scale` pixels a point, with `boxes` marked.

    The page is shown as a viewer shows it, rotated and cropped; boxes follow. A page too large for `scale`
    is drawn smaller. Raises ParseFailure when the page does not exist or cannot be drawn.
    """
    document, _ = open_pdf(path, password)
    with document:
        if not 1 <= page_number <= len(document):
            raise ParseFailure(
                "file_damaged", f"There is no page {page_number}; the file has {len(document)}."
            )
        try:
            page = document[page_number - 1]
            width, height = page.get_size()
            fitting = min(scale, (_MAX_PIXELS / max(width * height, 1.0)) ** 0.5)
            bitmap = page.render(scale=fitting, draw_annots=True, rev_byteorder=True)
        except pypdfium2.PdfiumError as error:
            raise ParseFailure("file_damaged", f"Page {page_number} cannot be drawn.") from error
        image = bitmap.to_pil().convert("RGB")
        converter = bitmap.get_posconv(page)
        rectangles = [_to_pixels(converter, box) for box in boxes]
    return _png(_highlight(image, rectangles))


def _to_pixels(converter: Any, box: PdfBox) -> tuple[int, int, int, int]:
    """Two opposite corners in pixels, ordered again: rotation turns them."""
    left, bottom, right, top = box
    (x1, y1), (x2, y2) = converter.to_bitmap(left, bottom), converter.to_bitmap(right, top)
    return (
        min(x1, x2) - _MARGIN_PX,
        min(y1, y2) - _MARGIN_PX,
        max(x1, x2) + _MARGIN_PX,
        max(y1, y2) + _MARGIN_PX,
    )


def _highlight(image: Image.Image, rectangles: Sequence[tuple[int, int, int, int]]) -> Image.Image:
    layer = Image.new("RGB", image.size, "white")
    draw = ImageDraw.Draw(layer)
    for rectangle in rectangles:
        draw.rectangle(rectangle, fill=_MARK)
    return ImageChops.multiply(image, layer)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=3)
    return stream.getvalue()
