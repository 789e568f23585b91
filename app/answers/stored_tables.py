"""Rows of spreadsheets and delimited files, read back from the text that ingest stored. Pure.

Ingest writes a row as `Header: value | Header: value` (ingest/parsers/tables.py), so a row says what its
cells mean, and its place in the text is what a footnote opens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_CELL = re.compile(r"([^:|]{1,60}): (.+)")
GAP = " | "
_NUMBER = re.compile(r"(?:[A-Z]{3}\s|[^\w\s\-+]\s?)?([-+]?\d[\d.,]*)\s?([^\d\s]{0,12})")
_MONTH = re.compile(r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column name; document text[start:end] is the row's line."""

    cells: Mapping[str, str]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one document that name their columns."""

    document_id: int
    file_name: str
    title: str  # the line above it, such as the name of the sheet
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """The file and, where there is one, the sheet."""
        return f"{self.file_name}, {self.title}" if self.title else self.file_name


def tables_of(document_id: int, file_name: str, text: str) -> list[Table]:
    """The document's tables of two rows or more; any other line, such as a sheet's name, ends one."""
    tables: list[Table] = []
    rows: list[Row] = []
    title, start = "", 0
    for line in [*text.split("\n"), "."]:
        row = _row(line, start)
        start += len(line) + 1
        if row is not None:
            rows.append(row)
        elif line.strip():
            tables += _table(document_id, file_name, title, rows)
            title, rows = line.strip(), []
    return tables


def _table(document_id: int, file_name: str, title: str, rows: Sequence[Row]) -> list[Table]:
    columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    return [Table(document_id, file_name, title, columns, tuple(rows))] if len(rows) > 1 else []


def _row(line: str, start: int) -> Row | None:
    parts = line.split(GAP)
    cells = [found for found in map(_CELL.fullmatch, parts) if found]
    if len(parts) < 2 or len(cells) != len(parts):
        return None
    return Row({cell[1].strip(): cell[2].strip() for cell in cells}, start, start + len(line))


def number(cell: str) -> float | None:
    """The number that a cell holds, a unit or currency beside it aside; None for anything else.

    A comma followed by three digits groups thousands, any other comma is a decimal one.
    """
    found = _NUMBER.fullmatch(cell.strip())
    if found is None or _MONTH.match(found[2]):
        return None
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", found[1]).replace(",", ".")
    try:
        return float(digits)
    except ValueError:
        return None


def numeric(table: Table, column: str) -> bool:
    """Whether nearly every filled cell of a column is a number."""
    cells: Sequence[str] = [row.cells[column] for row in table.rows if column in row.cells]
    return bool(cells) and sum(number(cell) is not None for cell in cells) >= 0.9 * len(cells)
