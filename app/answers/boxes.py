"""Where the words of an evidence span stand on their pages, line by line."""

from __future__ import annotations

from typing import TypedDict

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.documents.storing import unpack_boxes
from app.tables import DocumentPage
from ingest.pdf_pages import merge_line_boxes


class EvidenceBox(TypedDict):
    """A part of a line, in points from the page's lower left corner."""

    page: int
    left: float
    bottom: float
    right: float
    top: float


def evidence_boxes(
    session: Session, document_id: int, version: int, start: int, end: int
) -> list[EvidenceBox]:
    """A box for each line of the span; empty where the format has no places on a page."""
    pages = select(DocumentPage).where(
        DocumentPage.document_id == document_id,
        DocumentPage.version == version,
        DocumentPage.start < end,
        DocumentPage.end > start,
        DocumentPage.boxes.is_not(None),
    )
    return [
        box for page in session.scalars(pages.order_by(DocumentPage.number)) for box in _on(page, start, end)
    ]


def _on(page: DocumentPage, start: int, end: int) -> list[EvidenceBox]:
    if page.boxes is None:
        return []
    characters = unpack_boxes(page.boxes)[max(start, page.start) - page.start : end - page.start]
    return [_box(page.number, *sides) for sides in merge_line_boxes(characters)]


def _box(page: int, left: float, bottom: float, right: float, top: float) -> EvidenceBox:
    return {
        "page": page,
        "left": round(left, 2),
        "bottom": round(bottom, 2),
        "right": round(right, 2),
        "top": round(top, 2),
    }
