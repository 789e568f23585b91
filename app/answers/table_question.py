"""Counts, lists, sums and extremes over rows, when the question says nothing that the columns do not. Pure.

Every content word must be accounted for: by a column's name, a cell's value, an operation, a comparison or
the file's name. One word that is not, and the rows are not asked: a wrong exact figure is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.answers.cell_numbers import begins_with_number, number
from app.answers.stored_tables import Row, Table, numeric
from app.answers.words import STOP_WORDS, WORD

Operation = Literal["count", "value", "list", "sum", "average", "highest", "lowest"]
_OPERATIONS: tuple[tuple[Operation, str], ...] = (
    ("count", r"how\s+many|number\s+of|count(?:\s+the)?"),
    ("average", r"(?:average|mean)(?:\s+of)?"),
    ("sum", r"(?:sum|total)(?:\s+of)?"),
    ("highest", r"highest|largest|greatest|biggest|(?<!at\s)most"),
    ("lowest", r"lowest|smallest|(?<!at\s)least|fewest"),
    ("list", r"list(?:\s+all)?|which|name\s+all"),
)
_COMPARISONS: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
    (r"(?:at\s+least|no\s+less\s+than|from)", lambda cell, bound: cell >= bound),
    (r"(?:at\s+most|no\s+more\s+than|up\s+to)", lambda cell, bound: cell <= bound),
    (r"(?:more\s+than|over|above|greater\s+than|exceeding)", lambda cell, bound: cell > bound),
    (r"(?:less\s+than|fewer\s+than|under|below)", lambda cell, bound: cell < bound),
    (r"(?:exactly|equal\s+to|equals)", lambda cell, bound: cell == bound),
)
_FIGURE = r"[^\w\s\-\u2212]?\s?(\d[\d.,]*)"  # none below zero: the words are then left over
_GENERIC = frozenset(
    WORD.findall(
        "row record entry entrie item line table file sheet list all every "
        "each have there value give show me please any that than with name"
    )
)
_COMPARING = frozenset(re.findall(r"[a-z]{2,}", " ".join(pattern for pattern, _ in _COMPARISONS)))
_ORDINARY = STOP_WORDS | _GENERIC | _COMPARING | {"us", "my", "am", "can", "per", "not", "so", "if"}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column, in words and as a check of a cell."""

    column: str
    words: str
    holds: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class RowQuestion:
    """What is asked of the rows of one table."""

    operation: Operation
    filters: tuple[Filter, ...]
    column: str | None  # what is said, summed, averaged or compared

    def matching(self, table: Table) -> tuple[Row, ...]:
        """Rows that meet every condition."""
        return tuple(
            row for row in table.rows if all(f.holds(row.cells.get(f.column, "")) for f in self.filters)
        )


def row_question(question: str, table: Table) -> RowQuestion | None:
    """What the question asks of this table's rows; None unless every word of it is accounted for."""
    operation, typed, at = _operation(" " + question.strip(" ?.!") + " ")
    if operation is None or not table.is_whole:
        return None
    equal = _equalities(question, typed, table)
    bounded = _comparisons(equal[0], table) if equal is not None else None
    if equal is None or bounded is None:
        return None
    nameless = _without_table_name(bounded[0], table)
    text, named = _named_columns(nameless, table)
    filters = _together(equal[0], equal[1], bounded[1])
    if filters is None or _left_over(text, table) or not (filters or named or nameless != bounded[0]):
        return None
    filtered = {each.column for each in filters}
    free = [name for name in named if name not in filtered]
    figures = [name for name in named if numeric(table, name)]
    if not all(name in figures or _says_which(name, table) for name in free):
        return None
    if operation == "count":
        return _count(filters, free, table)
    if operation == "list":
        return _list(filters, free, figures, table)
    column = _figure(typed[at:].casefold(), figures, {each.column for each in bounded[1]}, table)
    return RowQuestion(operation, filters, column) if column is not None else None


def _count(filters: tuple[Filter, ...], free: list[str], table: Table) -> RowQuestion | None:
    """How many rows match; the figure of a row where it is asked by the name of what the row is about.

    None where rows may not be what is counted: "how many employees" is a sum where employees are a column
    of figures, and there are fewer regions than rows where one stands in two of them.
    """
    asked, subject = RowQuestion("count", filters, None), table.columns[0]
    rows = asked.matching(table)
    further = [name for name in free if name != subject]
    by_subject = any(each.column == subject for each in filters)
    if further and by_subject:
        is_one = len(rows) == 1 and len(further) == 1
        has_figure = is_one and numeric(table, further[0]) and further[0] in rows[0].cells
        return RowQuestion("value", filters, further[0]) if has_figure else None
    if any(numeric(table, name) for name in further) or any(len(row.cells) == 1 for row in rows):
        return None
    return asked if all(_tells_apart(name, rows) for name in free) else None


def _list(
    filters: tuple[Filter, ...], free: list[str], figures: list[str], table: Table
) -> RowQuestion | None:
    """The rows that match; None where one of them has nothing in a column that the question names."""
    asked = RowQuestion("list", filters, figures[0] if figures else None)
    is_filled = all(
        len(row.cells) > 1 and all(name in row.cells for name in free) for row in asked.matching(table)
    )
    return asked if is_filled else None


def _says_which(column: str, table: Table) -> bool:
    """Whether a column names what its rows are about: the first one, or one like it with no figures."""
    if column == table.columns[0]:
        return True
    return _tells_apart(column, table.rows) and not any(
        begins_with_number(row.cells[column]) for row in table.rows
    )


def _tells_apart(column: str, rows: Sequence[Row]) -> bool:
    """Whether every row has a value of its own in a column."""
    values = [row.cells.get(column, "").casefold() for row in rows]
    return all(values) and len(set(values)) == len(values)


def _operation(text: str) -> tuple[Operation | None, str, int]:
    """The operation, the text without it, and where it stood."""
    for operation, pattern in _OPERATIONS:
        found = re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE)
        if found:
            return operation, text[: found.start()] + " " + text[found.end() :], found.start()
    return None, text, 0


def _equalities(question: str, typed: str, table: Table) -> tuple[str, list[Filter]] | None:
    """Cell values that the question names, the longest first, taken out of the text as it was typed.

    None when a value stands in several columns and the question does not name one of them, or where it may be
    an ordinary word.
    """
    columns = _columns_of_values(typed.casefold(), table)
    filters: list[Filter] = []
    left = typed
    for value in sorted(columns, key=lambda each: (-len(each), each)):
        spellings = {cell for _, cell in columns[value]}
        spelled = "|".join(re.escape(each) for each in sorted({value, *spellings}))
        places = [*re.finditer(rf"(?<!\w)(?:{spelled})(?!\w)", left, re.IGNORECASE)]
        if places and (len(value) == 1 or value in _ORDINARY):
            places = [place for place in places if _is_code(place, spellings)]
            if not _can_tell(question, value, bool(places)):
                return None
        if not places:
            continue
        column = _meant({name for name, _ in columns[value]}, typed.casefold())
        if column is None:
            return None
        for place in places:
            left = left[: place.start()] + " " * len(place[0]) + left[place.end() :]
        filters.append(Filter(column, f"{column} is {value}", _equal(value)))
    return left.casefold(), filters


def _columns_of_values(text: str, table: Table) -> dict[str, set[tuple[str, str]]]:
    """Values that the text may name, each with the columns in which it stands and how it is spelled there."""
    columns: dict[str, set[tuple[str, str]]] = {}
    for row in table.rows:
        for name, cell in row.cells.items():
            value = cell.casefold()
            # most cells end here: the pattern is compiled for those that the question has letter by letter
            if value and value in text and number(cell) is None:
                columns.setdefault(value, set()).add((name, cell))
    return columns


def _can_tell(question: str, word: str, is_spelled_so: bool) -> bool:
    """Whether its letters say what a word is that is ordinary but also a value, such as the codes IS and IT.

    Not where every word begins with a capital or is in capitals, nor in small letters at the end, as in "how
    many people work in it?".
    """
    last = re.search(r"(\w+)\W*$", question)
    is_last = last is not None and last[1].casefold() == word
    return not (question.isupper() or question.istitle()) and (is_spelled_so or not is_last)


def _is_code(place: re.Match[str], spellings: set[str]) -> bool:
    """Whether a word is spelled as in a cell, and not as it is in a sentence."""
    word = place[0]
    in_a_sentence = {word.lower(), "I", *([word.capitalize()] if place.start() == 1 else [])}
    return word in spellings - in_a_sentence


def _meant(columns: set[str], text: str) -> str | None:
    """The only column, or the only one that the question names."""
    named = [name for name in columns if re.search(_name_pattern(name), text)]
    choice = named if len(columns) > 1 else [*columns]
    return choice[0] if len(choice) == 1 else None


def _equal(value: str) -> Callable[[str], bool]:
    return lambda cell: cell.casefold() == value


def _together(asked: str, equal: list[Filter], bounded: list[Filter]) -> tuple[Filter, ...] | None:
    """Conditions that all hold; values of one column joined by "or" become one of them.

    None where it would be a guess what belongs together: "red and blue", "red or over 10".
    """
    filters = (*equal, *bounded)
    columns = {each.column for each in equal}
    if re.search(r"\bor\b", asked) and len(filters) > 1:
        return None if len(columns) > 1 or bounded else (_any_of(equal),)
    return None if len(columns) < len(equal) else filters


def _any_of(filters: list[Filter]) -> Filter:
    words = " or ".join(each.words for each in filters)
    return Filter(filters[0].column, words, lambda cell: any(each.holds(cell) for each in filters))


def _figure(behind: str, figures: list[str], bounded: set[str], table: Table) -> str | None:
    """The column that is summed, averaged or compared: the one named next behind the operation.

    None when the question names a further column of numbers that neither a bound nor the subject of a line
    (the first column) accounts for.
    """
    places = {
        name: found.start()
        for name in figures
        if (found := re.search(_name_pattern(name), behind)) is not None
    }
    nearest = min(places, key=lambda name: (places[name], -len(name)), default=None)
    column = figures[0] if len(figures) == 1 else nearest
    further = set(figures) - bounded - {column, table.columns[0]}
    return None if further else column


def _comparisons(text: str, table: Table) -> tuple[str, list[Filter]] | None:
    """Bounds on the column that is named nearest before or behind them; None when none is named."""
    filters: list[Filter] = []
    for pattern, holds in _COMPARISONS:
        while found := re.search(rf"\b{pattern}\s+{_FIGURE}", text):
            column = _nearest_column(text, found.start(), table)
            bound = number(found[1].rstrip(".,"))
            if column is None or bound is None:
                return None
            words = " ".join(found[0].split())
            filters.append(Filter(column, f"{column} {words}", _bounded(holds, bound)))
            text = text[: found.start()] + " " + text[found.end() :]
    return text, filters


def _bounded(holds: Callable[[float, float], bool], bound: float) -> Callable[[str], bool]:
    def check(cell: str) -> bool:
        value = number(cell)
        return value is not None and holds(value, bound)

    return check


def _nearest_column(text: str, at: int, table: Table) -> str | None:
    places = sorted(
        (abs(found.start() - at), name)
        for name in table.columns
        for found in re.finditer(_name_pattern(name), text)
    )
    return next((name for _, name in places if numeric(table, name)), None)


def _without_table_name(text: str, table: Table) -> str:
    """The text without "in the price list" where the file or sheet is called so: its words are no columns."""
    for name in (re.sub(r"\.\w+$", "", table.file_name), table.title):
        words = WORD.findall(re.sub(r"[_\-.]", " ", name.casefold()))
        if len(words) > 1:
            spelled = r"[\s_\-]+".join(map(re.escape, words))
            text = re.sub(rf"(?<!\w)(?:in|of|on|from)\s+(?:the\s+)?{spelled}(?!\w)", " ", text)
    return text


def _named_columns(text: str, table: Table) -> tuple[str, list[str]]:
    named = []
    for name in sorted(table.columns, key=len, reverse=True):
        if re.search(_name_pattern(name), text):
            text = re.sub(_name_pattern(name), " ", text)
            named.append(name)
    return text, named


def _name_pattern(name: str) -> str:
    """A column's name as questions write it: its unit left out, as in `Price (EUR)`; a plural too."""
    full = name.casefold()
    plain = re.sub(r"\s*[(\[].*?[)\]]\s*", " ", full).strip() or full
    short = re.sub(r"^in\s+|\s+in\s+\w+$", "", plain)
    spelled = "|".join(re.escape(each) for each in dict.fromkeys((full, plain, short)))
    return rf"(?<!\w)(?:{spelled})(?:e?s)?(?!\w)"


def _left_over(text: str, table: Table) -> list[str]:
    """Content words that nothing accounts for."""
    names = " ".join((table.name, *table.columns))
    file_words = {word.casefold() for word in WORD.findall(re.sub(r"[_\-.]", " ", names))}
    words = [word for word in WORD.findall(text) if word not in STOP_WORDS]
    return [
        word
        for word in words
        if word not in file_words and word not in _GENERIC and word.removesuffix("s") not in _GENERIC
    ]
