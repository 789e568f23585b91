"""Rows of spreadsheets and delimited files, read back from the text that ingest stored. Pure.

Ingest writes a row as `Header: value | Header: value` (ingest/parsers/tables.py), so a row says what its
cells mean, and its place in the text is what a footnote opens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.answers.cell_numbers import is_figure

_CELL = re.compile(r"([^:|]{1,60}): (.+)")
GAP = " | "
_TOTAL_WORDS = """
    total totals sum sums subtotal subtotals average summe gesamt gesamtsumme gesamtbetrag gesamtergebnis
    insgesamt zwischensumme endsumme durchschnitt totaux somme moyenne totales suma promedio totale somma
    totaal totalt summa soma razem
"""
_TOTAL_WORD = "|".join(_TOTAL_WORDS.split())
_TOTAL = re.compile(rf"^\W*(?:{_TOTAL_WORD})\b|\b(?:{_TOTAL_WORD})\W*$", re.IGNORECASE)


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
    is_whole: bool = True  # every line of it was read and is a row like the others: they are all there is

    @property
    def name(self) -> str:
        """The file and, where there is one, the sheet."""
        return f"{self.file_name}, {self.title}" if self.title else self.file_name


def tables_of(document_id: int, file_name: str, text: str) -> list[Table]:
    """The document's tables of two rows or more; a line that stands apart, such as a sheet's name, ends one.

    A line right below a row that does not read as one (a cell without a name, one that holds the sign between
    cells) belongs to the table all the same, which is then not whole. A line of a single cell is a row where
    rows follow; at the end it may be a note.
    """
    tables: list[Table] = []
    rows: list[Row] = []
    title, start, is_whole, above = "", 0, True, ""
    for line in text.split("\n"):
        row = _row(line, start)
        start += len(line) + 1
        is_below = bool(rows and above.strip())
        if row is not None and (len(row.cells) > 1 or (is_below and _has_known_name(row, rows))):
            rows.append(row)
        elif is_below and line.strip():
            is_whole = False
        elif line.strip():
            tables += _table(document_id, file_name, title, rows, is_whole)
            title, rows, is_whole = line.strip(), [], True
        above = line
    return [*tables, *_table(document_id, file_name, title, rows, is_whole)]


def _has_known_name(row: Row, rows: Sequence[Row]) -> bool:
    """Whether the cells of a row have names of columns above it."""
    return any(name in above.cells for name in row.cells for above in rows)


def _table(
    document_id: int, file_name: str, title: str, rows: Sequence[Row], is_whole: bool
) -> Iterator[Table]:
    if sum(len(row.cells) > 1 for row in rows) < 2:
        return
    columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    is_row_above = title.startswith(tuple(f"{name}: " for name in columns))
    may_be_note = len(rows[-1].cells) == 1
    is_whole = is_whole and not is_row_above and not may_be_note
    is_whole = is_whole and not any(_is_total(row) or _is_heading(row, columns) for row in rows)
    yield Table(document_id, file_name, title, columns, tuple(rows), is_whole)


def _is_total(row: Row) -> bool:
    """Whether a row sums up others, by the words of its first filled cell."""
    return _TOTAL.search(next(iter(row.cells.values()))) is not None


def _is_heading(row: Row, columns: Sequence[str]) -> bool:
    """Whether a row may stand above others, such as the name of their group.

    Of two columns a single cell is as often a row whose other cell is empty: who asks says whether it counts.
    """
    return len(row.cells) == 1 and len(columns) > 2


def _row(line: str, start: int) -> Row | None:
    cells = [_CELL.fullmatch(part) for part in line.split(GAP)]
    named = {cell[1].strip(): cell[2].strip() for cell in cells if cell}
    return Row(named, start, start + len(line)) if len(named) == len(cells) else None


def numeric(table: Table, column: str) -> bool:
    """Whether the filled cells of a column are numbers that can be added and compared."""
    cells = [row.cells[column] for row in table.rows if column in row.cells]
    return is_figure(cells, (cell for row in table.rows for cell in row.cells.values()))
