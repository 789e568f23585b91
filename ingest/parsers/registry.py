"""Which parser reads which family of files. Imported by the child process only, one parser at a time."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final

from ingest.failures import ParseFailure
from ingest.source import Source
from ingest.types import ParsedDocument

Parser = Callable[[Source], ParsedDocument]

PARSERS: Final[dict[str, tuple[str, str]]] = {
    "pdf": ("pdf", "parse_pdf"),
    "pptx": ("slides", "parse_pptx"),
    **dict.fromkeys(("ppt", "odp"), ("office", "parse_slides")),
    **dict.fromkeys(("xlsx", "xls", "ods"), ("sheets", "parse_sheets")),
    **dict.fromkeys(("docx", "doc", "odt", "epub", "rtf"), ("office", "parse_office")),
    **dict.fromkeys(("rst", "vtt", "latex", "asciidoc", "jats"), ("office", "parse_office")),
    "msg": ("outlook", "parse_outlook"),
    "zip": ("archive", "parse_archive"),
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
    """`source` through its family's parser.

    Raises ParseFailure, also for what a library raises on damage that nobody foresaw: the same bytes would
    raise it again, so it is the file's failure and not the machine's. Want of memory is the machine's.
    """
    module_name, function_name = PARSERS[source.family]
    parser: Parser = getattr(importlib.import_module(f"ingest.parsers.{module_name}"), function_name)
    try:
        return parser(source)
    except (ParseFailure, MemoryError):
        raise
    except Exception as error:
        cause = f"The reader of this format gave up on it: {type(error).__name__}: {error}"[:300]
        raise ParseFailure("file_damaged", f"{cause}.") from error
