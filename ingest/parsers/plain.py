"""Plain text, as it stands."""

from __future__ import annotations

from ingest.builder import DocumentBuilder
from ingest.source import Source
from ingest.types import ParsedDocument


def parse_text(source: Source) -> ParsedDocument:
    """The whole file as one block; its own blank lines stay."""
    builder = DocumentBuilder(source.limits.text_chars)
    builder.paragraph(source.text)
    return builder.build(source.media_type, warnings=source.decoding_warnings)
