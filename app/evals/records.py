"""Eval files: JSON lines and relevance judgements, plain or gzipped, checked line by line.

Fields that a record type does not know are ignored, because published data sets carry many.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.errors import InvalidRequest
from app.evals.types import Label

Identifier = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
Text = Annotated[str, Field(min_length=1)]


class EvalFileInvalid(InvalidRequest):
    """An eval file cannot be used; `details` has its name and, where there is one, the line."""

    code = "eval_file_invalid"
    stage = "evals"
    default_next_step = "Correct the file and run again."


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: Identifier


class PassageRecord(_Record):
    title: str = ""
    text: Text


class AskedRecord(BaseModel):
    """A question that a person asked about a passage, with its reference answers."""

    model_config = ConfigDict(frozen=True)

    question: Text
    answers: Annotated[tuple[str, ...], Field(min_length=1)]


class AskedPassageRecord(PassageRecord):
    """A passage, and what people asked about it; nothing for the passages that are only searched."""

    asked: tuple[AskedRecord, ...] = ()


class AnswerRecord(_Record):
    """A question, its reference answers, its own passages (or none) and the ids of those that answer it."""

    question: Text
    answers: tuple[str, ...] = ()
    answerable: bool
    passages: tuple[PassageRecord, ...] | None = None
    gold: tuple[Identifier, ...] = ()


class ClaimRecord(_Record):
    claim: Text
    passages: tuple[str, ...]
    label: Label


class CorpusRecord(_Record):
    title: str = ""
    text: str  # may be empty where the title says everything

    @property
    def passage(self) -> str:
        """What is indexed."""
        return "\n".join(part for part in (self.title, self.text) if part)


class QueryRecord(_Record):
    text: Text


Record = TypeVar("Record", bound=_Record)


def read_records(path: Path, kind: type[Record], limit: int | None = None) -> list[Record]:
    """The first `limit` records of a JSON-lines file, ids unique.

    Raises EvalFileInvalid at the first bad line, or when there is none at all.
    """
    records: dict[str, Record] = {}
    for number, line in islice(lines_of(path), limit):
        record = _parse(path, number, line, kind)
        if record.id in records:
            raise _invalid(path, f"the id {record.id!r} was used before", number)
        records[record.id] = record
    if not records:
        raise _invalid(path, "it holds no records")
    return list(records.values())


def read_judgements(path: Path) -> dict[str, dict[str, int]]:
    """Query id to document id to grade, from `query<TAB>document<TAB>grade` with or without a header line."""
    judgements: dict[str, dict[str, int]] = {}
    for position, (number, line) in enumerate(lines_of(path)):
        columns = line.split("\t")
        if len(columns) != 3:
            raise _invalid(path, f"{len(columns)} columns instead of query, document and grade", number)
        query, document, grade = columns
        if not grade.strip().lstrip("-").isdecimal():
            if position == 0:
                continue  # the header
            raise _invalid(path, f"the grade {grade!r} is not a whole number", number)
        judgements.setdefault(query, {})[document] = int(grade)
    if not judgements:
        raise _invalid(path, "it holds no judgements")
    return judgements


def judged_queries(
    queries: Sequence[QueryRecord], judgements: Mapping[str, Mapping[str, int]], qrels: Path
) -> list[QueryRecord]:
    """The queries that have a relevant document; raises EvalFileInvalid when none has one."""
    judged = [query for query in queries if max(judgements.get(query.id, {}).values(), default=0) > 0]
    if not judged:
        raise _invalid(qrels, "it names no relevant document for any of the queries")
    return judged


def _parse(path: Path, number: int, line: str, kind: type[Record]) -> Record:
    try:
        values: Any = json.loads(line)
    except ValueError as error:
        raise _invalid(path, f"not JSON: {error}", number) from error
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "record"
        raise _invalid(path, f"{field}: {first['msg']}", number) from error


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, numbered from 1."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except FileNotFoundError as error:
        raise _invalid(path, "there is no such file") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise _invalid(path, f"it cannot be read: {error}") from error


def _invalid(path: Path, cause: str, line: int | None = None) -> EvalFileInvalid:
    where = path.name if line is None else f"{path.name}, line {line}"
    return EvalFileInvalid(f"{where}: {cause}.", file=str(path), line=line)
