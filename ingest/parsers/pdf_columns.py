"""Which column of a PDF table a cell stands in."""

from __future__ import annotations

from itertools import pairwise

from ingest.parsers.pdf_lines import Cell, Line


class Columns:
    """The columns that a header names. They widen as rows are placed: figures are often wider than names."""

    def __init__(self, header: Line) -> None:
        self._left = [cell.left for cell in header.cells]
        self._right = [cell.right for cell in header.cells]
        self._reach = header.height  # how far an edge may be off, in points

    def place(self, line: Line) -> tuple[int, ...] | None:
        """The column of each cell, -1 left of the first name; None for a line that is no row of the table.

        A row whose cells cannot be told into columns, or that has one cell only, is a row without places: ().
        """
        if len(line.cells) > len(self._left) + 1 or any(map(self._spans_several, line.cells)):
            return None
        places = [self._column(cell) for cell in line.cells]
        known = tuple(place for place in places if place is not None)
        if len(known) < len(places):
            return None
        if len(known) < 2 or not all(a < b for a, b in pairwise(known)):
            return ()
        for place, cell in zip(known, line.cells, strict=True):
            if place >= 0:
                self._left[place] = min(self._left[place], cell.left)
                self._right[place] = max(self._right[place], cell.right)
        return known

    def _column(self, cell: Cell) -> int | None:
        """By overlap, or else by the nearest left edge, right edge or middle."""
        below = [place for place in range(len(self._left)) if self._is_below(place, cell)]
        if below:
            return below[0]
        if cell.right < self._left[0]:
            return -1  # row names often have no name themselves
        nearest = min(range(len(self._left)), key=lambda place: self._distance(place, cell))
        return nearest if self._distance(nearest, cell) <= self._reach else None

    def _is_below(self, place: int, cell: Cell) -> bool:
        return cell.left < self._right[place] and self._left[place] < cell.right

    def _spans_several(self, cell: Cell) -> bool:
        return sum(self._is_below(place, cell) for place in range(len(self._left))) > 1

    def _distance(self, place: int, cell: Cell) -> float:
        left, right = self._left[place], self._right[place]
        return min(abs(cell.left - left), abs(cell.right - right), abs(cell.center - (left + right) / 2))
