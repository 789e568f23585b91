"""Which parser reads which family of files. Imported by the child process only, one parser at a time."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final

from ingest.source import Source
from ingest.types import ParsedDocument

Parser = Callable[[Source], ParsedDocument]

PARSERS: Final[dict[str, tuple[str, str]]] = {
    "pdf": ("pdf", "parse_pdf"),
    "pptx": ("slides", "parse_pptx"),
    **dict.fromkeys(("ppt", "odp"), ("office", "parse_slides")),
    **dict.fromkeys(("xlsx", "xls", "ods"), ("sheets", "parse_sheets")),
    **dict.fromkeys(("docx", "doc", "odt", "epub", "rtf", "msg"), ("office", "parse_office")),
    **dict.fromkeys(("rst", "vtt", "latex", "asciidoc", "jats"), ("office", "parse_office")),
    "eml": ("mail", "parse_mail"),
    "html": ("html", "parse_html"),
    "xml": ("xml", "parse_xml"),
    "markdown": ("markdown", "parse_markdown"),
    **dict.fromkeys(("csv", "tsv"), ("delimited", "parse_delimited")),
    "json": ("records", "parse_json"),
    "jsonl": ("records", "parse_jsonl"),
    "text": ("plain", "parse_text"),
}
"""Family to module and function; a module is imported when its first file comes."""


def parse_source(source: Source) -> ParsedDocument:
    """`source` through its family's parser. Raises ParseFailure."""
    module_name, function_name = PARSERS[source.family]
    parser: Parser = getattr(importlib.import_module(f"ingest.parsers.{module_name}"), function_name)
    return parser(source)
