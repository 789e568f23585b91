"""Tables of a PDF page, found by how their cells stand below each other.

A PDF draws cells; it does not say that they are a table. A block of lines whose cells stand below those of
its first line, and whose first line reads like a header, becomes rows that carry their column names. Other
blocks of cells stay as they are and are marked as doubtful, because wrong names are worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ingest.parsers.pdf_columns import Columns
from ingest.parsers.pdf_lines import Cell, Line, read_lines
from ingest.parsers.pdf_text import PageTable, PageText
from ingest.parsers.tables import CELL_GAP, is_header

_MIN_ROWS: Final = 2  # below the header
_MIN_DOUBTFUL_ROWS: Final = 3
_MIN_DOUBTFUL_CELLS: Final = 3
_FULL_SHARE: Final = 0.4  # of the rows have more than one cell
_UNKNOWN_SHARE: Final = 0.2  # of those rows cannot be told into columns; they stay as they are
_SAME_EDGE: Final = 0.5  # of a line's height
_ALIGNED_CELLS: Final = 0.6  # of the cells of a line
_NUMBER_SHARE: Final = 0.6  # of the cells of a column that holds figures
_MAX_PROSE_CELL: Final = 60  # letters; two columns of running text are no table
_FIGURE = re.compile(
    r"[-+(]?\s?[$€£¥]?\s?\(?[\d.,]*\d[\d.,]*\)?\s?[%)]*|[-–—]|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
)
_NO_NAME = re.compile(r":$|@|://|[.!?]$|\d{5}")  # a label, an address, a sentence, an identifier
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class _Table:
    """A header, the lines below it, and which column each of their cells stands in."""

    header: Line
    rows: tuple[Line, ...]
    columns: tuple[tuple[int, ...], ...]  # of each row, of each cell; -1 left of the first name; () unknown


def with_tables(page: PageText) -> PageText:
    """`page` with its tables as rows that carry their header; letters keep their boxes, names have none."""
    lines = read_lines(page)
    tables, doubtful = _find(lines)
    if not tables and not doubtful:
        return page
    return _Writer(page).write(tables, doubtful)


def _find(lines: Sequence[Line]) -> tuple[list[_Table], list[tuple[Line, Line]]]:
    """Sure tables, and first and last lines of doubtful ones, in order."""
    tables: list[_Table] = []
    doubtful: list[tuple[Line, Line]] = []
    at = 0
    while at < len(lines):
        table = _table_at(lines, at)
        if table is not None and _continues(lines, at, tables) and not _starts_with_figures(table):
            table = None
        if table is not None:
            tables.append(table)
            at += 1 + len(table.rows)
        elif (count := _cells_below(lines, at)) >= _MIN_DOUBTFUL_ROWS:
            doubtful.append((lines[at], lines[at + count - 1]))
            at += count
        else:
            at += 1
    return tables, doubtful


def _continues(lines: Sequence[Line], at: int, tables: Sequence[_Table]) -> bool:
    """Whether the line goes on with a block of cells above it, so that it cannot be a header."""
    above, line = lines[at - 1] if at else None, lines[at]
    if above is None or len(above.cells) < max(2, len(line.cells)):
        return False
    in_table = bool(tables) and tables[-1].rows[-1].start >= above.start
    return not in_table and _stands_below(above, line)


def _starts_with_figures(table: _Table) -> bool:
    """Whether the first full row is figures but for its name: only a header stands above such a row."""
    row = next(row for row in table.rows if len(row.cells) >= 2)
    return all(map(_is_figure, row.cells[1:]))


def _stands_below(above: Line, line: Line) -> bool:
    """Whether most cells of a line share an edge or the middle with a cell of the line above."""
    aligned = sum(
        any(
            min(abs(cell.left - other.left), abs(cell.right - other.right), abs(cell.center - other.center))
            < _SAME_EDGE * line.height
            for other in above.cells
        )
        for cell in line.cells
    )
    return aligned >= _ALIGNED_CELLS * len(line.cells)


def _cells_below(lines: Sequence[Line], at: int) -> int:
    """How many lines from `at` on hold many cells and start no sure table."""
    count = 0
    while at + count < len(lines) and len(lines[at + count].cells) >= _MIN_DOUBTFUL_CELLS:
        if count and not _stands_below(lines[at + count - 1], lines[at + count]):
            break
        count += 1
    return count


def _table_at(lines: Sequence[Line], at: int) -> _Table | None:
    header = lines[at]
    if len(header.cells) < 2 or not _reads_like_header(header.cells):
        return None
    named = Columns(header)
    rows: list[Line] = []
    columns: list[tuple[int, ...]] = []
    for line in lines[at + 1 :]:
        placed = named.place(line)
        if placed is None:
            break
        rows.append(line)
        columns.append(placed)
    while rows and len(rows[-1].cells) == 1:  # a caption below the table, not a row of it
        rows.pop()
        columns.pop()
    table = _Table(header, tuple(rows), tuple(columns))
    return table if _is_sure(table) else None


def _reads_like_header(cells: Sequence[Cell]) -> bool:
    texts = [cell.text for cell in cells]
    values = [text for text in texts if _FIGURE.fullmatch(text) and not _YEAR.fullmatch(text)]
    return is_header(texts) and not values and not any(_NO_NAME.search(text) for text in texts)


def _is_sure(table: _Table) -> bool:
    """Enough rows, most of them with several cells, and figures below names from the first row on."""
    full = [row for row in table.rows if len(row.cells) >= 2]
    unknown = sum(not places for row, places in zip(table.rows, table.columns, strict=True) if row in full)
    if len(full) < max(_MIN_ROWS, _FULL_SHARE * len(table.rows)) or unknown > _UNKNOWN_SHARE * len(full):
        return False
    prose = sum(len(cell.text) > _MAX_PROSE_CELL for row in table.rows for cell in row.cells)
    if prose > len(table.rows) / 2:
        return False
    if _has_figures(table):  # names that stand first above other names are no header of the figures below
        return any(map(_is_figure, full[0].cells))
    return _is_laid_out(table)


def _has_figures(table: _Table) -> bool:
    """A column whose cells are mostly figures."""
    placed = [
        (place, cell)
        for row, places in zip(table.rows, table.columns, strict=True)
        for cell, place in zip(row.cells, places, strict=False)
    ]
    for column in range(len(table.header.cells)):
        cells = [cell for place, cell in placed if place == column]
        figures = sum(map(_is_figure, cells))
        if len(cells) >= _MIN_ROWS and figures >= _NUMBER_SHARE * len(cells):
            return True
    return False


def _is_figure(cell: Cell) -> bool:
    return bool(_FIGURE.fullmatch(cell.text))


def _is_laid_out(table: _Table) -> bool:
    """Words below words: three columns or more, and every row with a cell in the first."""
    first = sum(0 in places for places in table.columns)
    names = " ".join(cell.text for cell in table.header.cells)
    plain = not any(map(str.isdigit, names)) and "/" not in names  # signatures and dates are laid out, too
    return plain and len(table.header.cells) >= 3 and first == len(table.rows) > _MIN_ROWS


class _Writer:
    """Puts the page together again, letters with their boxes, what is added without."""

    def __init__(self, page: PageText) -> None:
        self._page = page
        self._codes: list[np.ndarray] = []
        self._boxes: list[np.ndarray] = []
        self._length = 0
        self._tables: list[PageTable] = []

    def write(self, tables: Sequence[_Table], doubtful: Sequence[tuple[Line, Line]]) -> PageText:
        blocks: list[tuple[int, _Table | tuple[Line, Line]]] = [
            *((table.header.start, table) for table in tables),
            *((block[0].start, block) for block in doubtful),
        ]
        at = 0
        for start, block in sorted(blocks, key=lambda item: item[0]):
            self._keep(at, start)
            begin = self._length
            at = self._table(block) if isinstance(block, _Table) else self._as_it_is(block)
            self._tables.append(PageTable(begin, self._length, sure=isinstance(block, _Table)))
        self._keep(at, self._page.codes.size)
        return PageText(
            np.concatenate(self._codes), np.concatenate(self._boxes), self._page.lost, tuple(self._tables)
        )

    def _table(self, table: _Table) -> int:
        self._row(table.header.cells, [""] * len(table.header.cells))
        for row, places in zip(table.rows, table.columns, strict=True):
            self._add("\n")
            if places:
                self._row(
                    row.cells, ["" if place < 0 else table.header.cells[place].text for place in places]
                )
            else:
                self._keep(row.start, row.end)
        return table.rows[-1].end

    def _row(self, cells: Sequence[Cell], names: Sequence[str]) -> None:
        for position, (cell, name) in enumerate(zip(cells, names, strict=True)):
            self._add((CELL_GAP if position else "") + (f"{name}: " if name else ""))
            self._keep(cell.start, cell.end)

    def _as_it_is(self, block: tuple[Line, Line]) -> int:
        self._keep(block[0].start, block[1].end)
        return block[1].end

    def _keep(self, start: int, end: int) -> None:
        self._codes.append(self._page.codes[start:end])
        self._boxes.append(self._page.boxes[start:end])
        self._length += end - start

    def _add(self, text: str) -> None:
        self._codes.append(np.frombuffer(text.encode("utf-32-le"), np.uint32))
        self._boxes.append(np.full((len(text), 4), np.nan, np.float32))
        self._length += len(text)
