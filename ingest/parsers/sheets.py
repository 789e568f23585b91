"""Workbooks through python-calamine: a page a sheet, a line a row, each row with its header."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Final

import python_calamine

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.parsers.tables import table_lines
from ingest.source import Source
from ingest.types import ParsedDocument

Cell = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta
_MAX_CELLS: Final = 5_000_000  # a sheet may declare 17 billion; real ones stay far below


def parse_sheets(source: Source) -> ParsedDocument:
    """Every visible sheet in order; hidden sheets are left out and named in a warning.

    Raises ParseFailure `file_encrypted` or `file_damaged`.
    """
    workbook = _open(source)
    builder = DocumentBuilder(source.limits.text_chars)
    sheets = [
        sheet for sheet in workbook.sheets_metadata if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
    ]
    visible = [sheet.name for sheet in sheets if sheet.visible == python_calamine.SheetVisibleEnum.Visible]
    for done, name in enumerate(visible, 1):
        builder.page(label=name)
        rows = list(_rows(workbook, name))
        if rows:
            builder.heading(1, name)
            builder.table(table_lines(rows))
        source.on_page(done, len(visible))
    hidden = [sheet.name for sheet in sheets if sheet.name not in visible]
    warnings = (f"Hidden sheets were left out: {', '.join(hidden)}.",) if hidden else ()
    return builder.build(source.media_type, paged=True, warnings=warnings)


def _open(source: Source) -> python_calamine.CalamineWorkbook:
    try:
        return python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(source.path.read_bytes()))
    except python_calamine.PasswordError as error:
        raise ParseFailure("file_encrypted", "The workbook is protected with a password.") from error
    except (python_calamine.CalamineError, OSError) as error:
        raise ParseFailure("file_damaged", f"The workbook cannot be read: {error}.") from error


def _rows(workbook: python_calamine.CalamineWorkbook, name: str) -> Iterator[list[str]]:
    try:
        sheet = workbook.get_sheet_by_name(name)
    except python_calamine.CalamineError as error:
        raise ParseFailure("file_damaged", f"The sheet {name} cannot be read: {error}.") from error
    if sheet.width * sheet.height > _MAX_CELLS:
        raise ParseFailure("file_too_large", f"The sheet {name} has over {_MAX_CELLS:,} cells.")
    for row in sheet.iter_rows():
        if any(cell != "" for cell in row):
            yield [cell_text(cell) for cell in row]


def cell_text(cell: Cell) -> str:
    """A cell as people write it: 89, not 89.0; 2024-05-01, not 2024-05-01 00:00:00."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.12g}"
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time.min else cell.isoformat(sep=" ")
    return str(cell)
