"""CSV and TSV: the delimiter is found, each row carries its header."""

from __future__ import annotations

import csv
import io
from typing import Final

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.parsers.tables import table_lines
from ingest.source import Source
from ingest.types import ParsedDocument

_DELIMITERS: Final = ",;\t|"
_SAMPLE_LINES: Final = 50
_MAX_FIELD_CHARS: Final = 1_000_000


def parse_delimited(source: Source) -> ParsedDocument:
    """A delimited file as one table.

    Raises ParseFailure `file_damaged` when a quoted field never ends.
    """
    text = source.text.replace("\x00", "")
    csv.field_size_limit(_MAX_FIELD_CHARS)
    delimiter = "\t" if source.family == "tsv" else find_delimiter(text)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise ParseFailure("file_damaged", f"The rows cannot be told apart: {error}.") from error
    builder = DocumentBuilder(source.limits.text_chars)
    builder.table(table_lines(rows))
    return builder.build(source.media_type, warnings=source.decoding_warnings)


def find_delimiter(text: str) -> str:
    """The delimiter that parts the first lines most evenly; a comma when none does.

    `csv.Sniffer` guesses letters as delimiters on short files, so this counts instead.
    """
    lines = [line for line in text.splitlines()[:_SAMPLE_LINES] if line.strip()]

    def evenness(delimiter: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:  # without its delimiter a long line is one field, longer than a field may be
            return 0.0, 0
        usual = max(set(widths), key=widths.count, default=1)
        return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)

    return max(_DELIMITERS, key=evenness)
