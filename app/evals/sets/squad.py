"""SQuAD form: articles with paragraphs, each with its questions (Rajpurkar et al., 2016 and 2018).

Every paragraph becomes a document of the set, so that a question has to find its own among all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from app.evals.cases import Case, CorpusDocument
from app.evals.sets.own_jsonl import first_problem, invalid
from app.evals.sets.types import ReadSet


class _Answer(BaseModel):
    text: str


class _Question(BaseModel):
    id: str
    question: str
    answers: list[_Answer] = []
    is_impossible: bool = False


class _Paragraph(BaseModel):
    context: str
    qas: list[_Question]


class _Article(BaseModel):
    title: str = ""
    paragraphs: list[_Paragraph]


class _File(BaseModel):
    data: list[_Article]


def read_squad(path: Path, values: Any) -> ReadSet:
    """The questions and paragraphs of a parsed file; raises EvalFileInvalid with the place."""
    try:
        parsed = _File.model_validate(values)
        corpus, cases = _corpus(parsed), tuple(_cases(parsed))
    except ValidationError as error:
        raise invalid(path, first_problem(error)) from error
    keys = [case.key for case in cases]
    if not cases:
        raise invalid(path, "it holds no questions")
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise invalid(path, f"the id {twice!r} is used twice")
    return ReadSet(cases, corpus)


def _corpus(parsed: _File) -> tuple[CorpusDocument, ...]:
    return tuple(
        CorpusDocument(key=_key(*place), title=article.title.replace("_", " "), text=paragraph.context)
        for *place, article, paragraph in _paragraphs(parsed)
    )


def _cases(parsed: _File) -> Iterator[Case]:
    for *place, _, paragraph in _paragraphs(parsed):
        for asked in paragraph.qas:
            answers = tuple(dict.fromkeys(answer.text for answer in asked.answers))
            yield Case(
                key=asked.id,
                question=asked.question,
                answers=() if asked.is_impossible else answers,
                answerable=not asked.is_impossible,
                gold=() if asked.is_impossible else ({"id": _key(*place)},),  # type: ignore[arg-type]
            )


def _paragraphs(parsed: _File) -> Iterator[tuple[Any, ...]]:
    for number, article in enumerate(parsed.data, start=1):
        for position, paragraph in enumerate(article.paragraphs, start=1):
            yield number, position, article, paragraph


def _key(article: int, paragraph: int) -> str:
    return f"{article}-{paragraph}"
