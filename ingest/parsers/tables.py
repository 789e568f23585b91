"""A table as lines of text that stand alone: each row carries its header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

CELL_GAP: Final = " | "
_HEADER_SEARCH_ROWS: Final = 10  # a title or notes may stand above the header
_MAX_HEADER_CHARS: Final = 60
_AMOUNT = re.compile(r"(?!(?:19|20)\d\d\b)[-+(]?[$€£¥]?\s?\d")  # `12 EUR`, `-3.5`; `2024` may head a column


def table_lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of cells as lines: `Header: value | Header: value` below a header row, else `a | b`.

    A chunk of rows then says what its numbers mean without the top of the table. Empty cells are left out.
    """
    header_at = _find_header(rows)
    if header_at is None:
        yield from (_plain(row) for row in rows)
        return
    yield from (_plain(row) for row in rows[:header_at])
    header = rows[header_at]
    if header_at + 1 == len(rows):
        yield _plain(header)
    yield from (_labelled(header, row) for row in rows[header_at + 1 :])


def _find_header(rows: Sequence[Sequence[str]]) -> int | None:
    width = max((_filled(row) for row in rows), default=0)
    if width < 2:
        return None
    for index, row in enumerate(rows[:_HEADER_SEARCH_ROWS]):
        if _filled(row) >= max(2, 0.6 * width):
            return index if is_header(row) else None
    return None


def is_header(row: Sequence[str]) -> bool:
    """Whether cells read like column names: short, all different, no amounts."""
    cells = [cell.strip() for cell in row if cell.strip()]
    return len(set(cells)) == len(cells) and not any(
        len(cell) > _MAX_HEADER_CHARS or _AMOUNT.match(cell) for cell in cells
    )


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _plain(row: Sequence[str]) -> str:
    return CELL_GAP.join(_one_line(cell) for cell in row if cell.strip())


def _labelled(header: Sequence[str], row: Sequence[str]) -> str:
    names = [*header, *[""] * (len(row) - len(header))]
    return CELL_GAP.join(
        f"{_one_line(name)}: {_one_line(cell)}" if name.strip() else _one_line(cell)
        for name, cell in zip(names, row, strict=False)
        if cell.strip()
    )


def _one_line(cell: str) -> str:
    return " ".join(cell.split())
