"""Numbers in the cells of tables: what one cell says, and whether the cells of a column go together. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_SIGN = r"[-+\u2212]"  # U+2212 is the minus of typesetting
_CURRENCY = r"(?:[A-Z]{3}\s|[$¢£¥฿\u20a0-\u20cf]\s?)"
_UNIT = r"[^\d\s()+\-\u2012-\u2015\u2212]{0,12}"
_NUMBER = re.compile(rf"({_SIGN}?)({_CURRENCY}?)({_SIGN}?)(\d[\d.,]*)\s?({_UNIT})")
_IN_BRACKETS = re.compile(r"\(([^()]+)\)")  # how accounts write a minus
_MONTH = re.compile(r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE)
_PLAIN = re.compile(r"\d+(?:\.\d+)?")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_COMMA_AND_THREE = re.compile(r"\d{1,3},\d{3}")
_DOT_AND_THREE = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_MOSTLY = 0.9


class Reading(NamedTuple):
    """A cell as a number."""

    value: float
    digits: str  # as they are written, with their separators
    unit: str  # with the currency; no plural


def number(cell: str) -> float | None:
    """The number that a cell holds, a unit or currency beside it aside; None for anything else.

    A comma that can group thousands does, any other is a decimal one. "(1,200)" is below zero.
    """
    reading = _reading(cell)
    return reading.value if reading else None


def is_figure(column: Sequence[str], table: Iterable[str]) -> bool:
    """Whether the filled cells of a column are numbers that can be added and compared.

    Nearly all of them, in one unit; the others hold no digit, such as "n/a". None of them may be a guess:
    "1.234" or "1,234" where another number shows that the sign can be the other one. `table` is all cells of
    all columns, read only for that.
    """
    read = [_reading(cell) for cell in column]
    readings = [reading for reading in read if reading is not None]
    if not readings or len(readings) < _MOSTLY * len(column):
        return False
    unread = (cell for cell, reading in zip(column, read, strict=True) if reading is None)
    if any(char.isdigit() for cell in unread for char in cell):
        return False
    return len({reading.unit for reading in readings}) == 1 and not _is_ambiguous(readings, table)


def begins_with_number(cell: str) -> bool:
    """Whether a cell reads as an amount, a date or a telephone number, certain or not."""
    return re.match(r"\W*\d", cell) is not None


def _reading(cell: str) -> Reading | None:
    bare = cell.strip()
    inner = _IN_BRACKETS.fullmatch(bare) if bare.startswith("(") else None
    found = _NUMBER.fullmatch(inner[1].strip() if inner else bare)
    if found is None or _MONTH.match(found[5]):
        return None
    signs = ("-" if inner else "") + found[1] + found[3]
    value = _value(found[4])
    if value is None or len(signs) > 1:
        return None
    unit = found[5].casefold()
    unit = unit.removesuffix("s") if len(unit) > 2 else unit
    return Reading(value if signs in ("", "+") else -value, found[4], found[2].strip() + unit)


def _value(digits: str) -> float | None:
    if _PLAIN.fullmatch(digits):
        return float(digits)
    if _GROUPED.fullmatch(digits):
        return float(digits.replace(",", ""))
    return float(digits.replace(",", ".")) if _DECIMAL_COMMA.fullmatch(digits) else None


def _is_ambiguous(readings: Sequence[Reading], table: Iterable[str]) -> bool:
    """Whether thousands and decimals cannot be told apart: in "1.234", and in "1,234" beside "3,5"."""
    dotted = [each.digits for each in readings if "." in each.digits]
    if dotted and all(_DOT_AND_THREE.fullmatch(digits) for digits in dotted):
        return True
    if not any(_COMMA_AND_THREE.fullmatch(each.digits) for each in readings):
        return False
    with_comma = (reading.digits for cell in table if "," in cell and (reading := _reading(cell)) is not None)
    return any(_DECIMAL_COMMA.fullmatch(each) and not _GROUPED.fullmatch(each) for each in with_comma)
