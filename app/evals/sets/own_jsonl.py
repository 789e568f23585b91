"""Our own JSON lines: one question a line. Fields that it does not know are ignored: data sets carry many.

`{"question", "id"?, "answers"?, "answerable"?, "gold"?, "passages"?, "history"?, "tags"?}`. A gold is an id
of the line's passages, `"file.pdf"`, `"file.pdf#3"`, or `{"file", "page", "quote"}`; `gold_file`, `gold_page`
and `gold_quote` say the same in flat form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.evals.cases import Case
from app.evals.records import EvalFileInvalid, lines_of
from app.evals.sets.types import ReadSet

KNOWN = ("question", "history", "answers", "answerable", "tags")


def read_own_jsonl(path: Path) -> ReadSet:
    """The file's questions; raises EvalFileInvalid with the line."""
    rows = ((number, _values(path, number, line)) for number, line in lines_of(path))
    return ReadSet(numbered_cases(path, rows))


def numbered_cases(path: Path, rows: Iterator[tuple[int, Mapping[str, Any]]]) -> tuple[Case, ...]:
    """Cases of numbered lines, keys unique; raises EvalFileInvalid with the line."""
    cases: dict[str, Case] = {}
    for number, values in rows:
        case = _case(path, number, values)
        if case.key in cases:
            raise invalid(path, f"the id {case.key!r} was used before", number)
        cases[case.key] = case
    if not cases:
        raise invalid(path, "it holds no questions")
    return tuple(cases.values())


def invalid(path: Path, cause: str, line: int | None = None) -> EvalFileInvalid:
    where = path.name if line is None else f"{path.name}, line {line}"
    return EvalFileInvalid(f"{where}: {cause}.", file=path.name, line=line)


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, with its field."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {first['msg']}" if field else first["msg"]


def _values(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        values: Any = json.loads(line)
    except ValueError as error:
        raise invalid(path, f"not JSON: {error}", number) from error
    if not isinstance(values, dict):
        raise invalid(path, "not a JSON object", number)
    return values


def _case(path: Path, number: int, values: Mapping[str, Any]) -> Case:
    own = [str(each.get("id")) for each in values.get("passages") or () if isinstance(each, dict)]
    try:
        return Case.model_validate(
            {
                "key": values.get("id", f"line-{number}"),
                "gold": _golds(values, own),
                **{name: values[name] for name in KNOWN if values.get(name) is not None},
                **_passages(values),
                **_answerable(values),
            }
        )
    except ValidationError as error:
        raise invalid(path, first_problem(error), number) from error
    except (TypeError, AttributeError) as error:
        raise invalid(path, f"a field has the wrong type: {error}", number) from error


def _passages(values: Mapping[str, Any]) -> dict[str, Any]:
    given = values.get("passages")
    if given is None:
        return {}
    return {"passages": [_passage(each) for each in given]}


def _passage(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: value[name] for name in ("id", "title", "text") if name in value}


def _answerable(values: Mapping[str, Any]) -> dict[str, bool]:
    """What the line says; without a word, a question that has answers is answerable."""
    if values.get("answerable") is None and values.get("answers"):
        return {"answerable": True}
    return {}


def _golds(values: Mapping[str, Any], own: Sequence[str]) -> list[Any]:
    golds = [_gold(each, own) for each in values.get("gold") or ()]
    if values.get("gold_file"):
        golds.append({name: values.get(f"gold_{name}") for name in ("file", "page", "quote")})
    return golds


def _gold(value: Any, own: Sequence[str]) -> Any:
    """An id of the line's own passages, or a place in a file."""
    if not isinstance(value, str) or value in own or own:
        return value
    file, _, page = value.rpartition("#")
    return {"file": file, "page": int(page)} if file and page.isdecimal() else {"file": value}
