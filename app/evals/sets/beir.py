"""BEIR form: a corpus, queries and relevance judgements (Thakur et al., 2021).

`corpus.jsonl` and `queries.jsonl` name their rows `_id` (or `id`); `qrels` is `query<TAB>document<TAB>grade`,
with or without a header. Queries that nobody judged are left out, and so are judgements of grade 0: to every
measure such a document is one that nobody judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.evals.cases import Asked, Case, CorpusDocument, Gold, Key
from app.evals.records import lines_of, read_judgements
from app.evals.sets.own_jsonl import first_problem, invalid
from app.evals.sets.types import ReadSet


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True)

    key: Key
    text: Asked


def read_beir(corpus: Path, queries: Path, qrels: Path) -> ReadSet:
    """Judged queries and the corpus; raises EvalFileInvalid with file and line.

    A judgement on a document that the corpus does not hold is refused: its recall could never be whole.
    """
    documents = _documents(corpus)
    judgements = read_judgements(qrels)
    judged = (query for query in _queries(queries) if query.key in judgements)
    cases = tuple(_case(qrels, query, judgements[query.key]) for query in judged)
    if not cases:
        raise invalid(qrels, "it judges none of the queries")
    for case in cases:
        for gold in case.gold:
            if gold.id not in documents:
                raise invalid(qrels, f"{gold.id!r}, named for query {case.key!r}, is not in the corpus")
    return ReadSet(cases, tuple(documents.values()))


def _documents(path: Path) -> dict[str, CorpusDocument]:
    documents: dict[str, CorpusDocument] = {}
    for number, values in _rows(path):
        try:
            document = CorpusDocument.model_validate(
                {"key": _id(values), "title": values.get("title") or "", "text": values.get("text")}
            )
        except ValidationError as error:
            raise invalid(path, first_problem(error), number) from error
        if document.key in documents:
            raise invalid(path, f"the id {document.key!r} was used before", number)
        if document.passage.strip():  # nothing to find otherwise
            documents[document.key] = document
    return documents


def _queries(path: Path) -> Iterator[_Query]:
    for number, values in _rows(path):
        try:
            yield _Query.model_validate({"key": _id(values), "text": values.get("text")})
        except ValidationError as error:
            raise invalid(path, first_problem(error), number) from error


def _case(qrels: Path, query: _Query, grades: Mapping[str, int]) -> Case:
    relevant = sorted((document, grade) for document, grade in grades.items() if grade > 0)
    try:
        golds = tuple(Gold(id=document, grade=grade) for document, grade in relevant)
        return Case(key=query.key, question=query.text, answerable=True if golds else None, gold=golds)
    except ValidationError as error:
        raise invalid(qrels, f"query {query.key!r}: {first_problem(error)}") from error


def _id(values: Mapping[str, Any]) -> Any:
    return values.get("_id", values.get("id"))


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in lines_of(path):
        try:
            values = json.loads(line)
        except ValueError as error:
            raise invalid(path, f"not JSON: {error}", number) from error
        if not isinstance(values, dict):
            raise invalid(path, "not a JSON object", number)
        yield number, values
