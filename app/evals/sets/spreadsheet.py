"""Questions as CSV, as a spreadsheet saves them: a header line, one question a row.

Several answers, tags or earlier questions stand in one cell, separated by `|`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.evals.sets.own_jsonl import invalid, numbered_cases
from app.evals.sets.types import ReadSet

COLUMNS = (
    "id", "question", "answers", "answerable", "gold_file", "gold_page", "gold_quote", "tags", "history",
)  # fmt: skip
LISTS = ("answers", "tags", "history")
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
DELIMITERS = ",;\t"


def read_csv(path: Path) -> ReadSet:
    """The file's questions; raises EvalFileInvalid with the line, also for a column that has no meaning."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(path, f"it cannot be read: {error}") from error
    return ReadSet(numbered_cases(path, _rows(path, text)))


def _rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)  # the first of equals: a lone column needs none
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().casefold() for name in next(reader, [])]
        _check_columns(path, names)
        start = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, _values(path, start, names, cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise invalid(path, f"not CSV: {error}", reader.line_num) from error


def _check_columns(path: Path, names: list[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise invalid(path, f"unknown column {unknown[0]!r}; known are {', '.join(COLUMNS)}", 1)
    if "question" not in names:
        raise invalid(path, "there is no column 'question'", 1)


def _values(path: Path, number: int, names: list[str], cells: list[str]) -> Mapping[str, Any]:
    if len(cells) != len(names):
        raise invalid(path, f"{len(cells)} cells instead of {len(names)}", number)
    filled = ((name, cell.strip()) for name, cell in zip(names, cells, strict=True) if cell.strip())
    values: dict[str, Any] = dict(filled)
    for name in LISTS:
        if name in values:
            values[name] = [part.strip() for part in values[name].split("|") if part.strip()]
    if "answerable" in values:
        values["answerable"] = _truth(path, number, values["answerable"])
    return values


def _truth(path: Path, number: int, text: str) -> bool:
    if text.casefold() not in TRUTH:
        raise invalid(path, f"answerable is {text!r} instead of yes or no", number)
    return TRUTH[text.casefold()]
