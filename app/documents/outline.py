"""The structure of a parsed text beside its pages: enough to cut it into chunks again without its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.db import storable
from app.tables import Document, DocumentPage, DocumentVersion
from ingest.types import Heading, Page, ParsedDocument


def outline_of(parsed: ParsedDocument) -> dict[str, Any]:
    """JSON of headings and tables; offsets are characters of the text."""
    return {
        "headings": [[each.level, storable(each.text), each.start] for each in parsed.headings],
        "tables": [list(span) for span in parsed.table_spans],
    }


def restored(
    document: Document, version: DocumentVersion, pages: Sequence[DocumentPage]
) -> ParsedDocument | None:
    """What the chunker reads, from rows; None where the version was stored without its outline."""
    if version.outline is None:
        return None
    return ParsedDocument(
        text="".join(page.text for page in pages),
        pages=tuple(Page(page.number, page.start, page.end, page.label) for page in pages),
        paged=bool(document.paged),
        media_type=version.media_type or "",
        headings=tuple(Heading(*heading) for heading in version.outline["headings"]),
        table_spans=tuple((start, end) for start, end in version.outline["tables"]),
    )
