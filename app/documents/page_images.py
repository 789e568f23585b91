"""Pictures of PDF pages with a span of the text marked."""

from __future__ import annotations

import threading
from pathlib import Path

from app.documents.schemas import PageImageQuery
from app.documents.storing import unpack_boxes
from app.errors import InvalidRequest, PageImageUnavailable
from app.tables import DocumentPage, DocumentVersion
from ingest.errors import IngestError
from ingest.pdf_pages import merge_line_boxes, render_page

PDF = "application/pdf"

Box = tuple[float, float, float, float]
"""left, bottom, right, top in points."""

AT_ONCE = 2  # every picture is drawn in a process of its own

_rendering = threading.BoundedSemaphore(AT_ONCE)


def draw(
    version: DocumentVersion, page: DocumentPage, file: Path, query: PageImageQuery, place: Path
) -> bytes:
    """PNG of the page with the part of the span that lies on it marked, line by line; drawn in `place`.

    A span that cannot be located marks nothing: a wrong mark is worse than none. Raises
    PageImageUnavailable for anything but a PDF whose bytes are there and can be drawn.
    """
    if version.media_type != PDF:
        raise PageImageUnavailable(f"{version.file_name} is not a PDF.")
    if not file.exists():
        raise PageImageUnavailable(
            f"The bytes of {version.file_name} are gone.", next_step="Upload the file again."
        )
    boxes = _boxes(page, query)
    try:
        with _rendering:
            return render_page(
                file, page.number, scale=query.scale, boxes=boxes, place=place, password=version.password
            )
    except IngestError as error:
        raise PageImageUnavailable(f"The page could not be drawn: {error.cause}") from error


def _boxes(page: DocumentPage, query: PageImageQuery) -> list[Box]:
    if (query.start is None) != (query.end is None):
        raise InvalidRequest("`start` and `end` belong together.", field="start")
    if query.start is None or query.end is None or page.boxes is None:
        return []
    if query.start > query.end:
        raise InvalidRequest("`start` is after `end`.", field="start")
    first = max(query.start, page.start) - page.start
    last = min(query.end, page.end) - page.start
    return [] if first >= last else list(merge_line_boxes(unpack_boxes(page.boxes)[first:last]))
