"""Eval files: what is read, and what is refused with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from app.evals.records import (
    AnswerRecord,
    ClaimRecord,
    CorpusRecord,
    EvalFileInvalid,
    QueryRecord,
    judged_queries,
    read_judgements,
    read_records,
)

QUESTION: dict[str, Any] = {
    "id": 7,
    "question": "When?",
    "answers": ["noon"],
    "answerable": True,
    "passages": [{"id": 1, "title": "Hours", "text": "At noon."}],
    "gold": [1],
    "source": "a field of the data set",
}


def written(path: Path, *rows: object) -> Path:
    content = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("{broken", "not JSON"),
        ('"text"', "record"),
        (QUESTION | {"question": ""}, "question"),
        ({"id": "x", "question": "When?"}, "answerable"),
        (QUESTION | {"answers": "noon"}, "answers"),
        (QUESTION | {"passages": [{"id": 1}]}, r"passages\.0\.text"),
        (QUESTION | {"id": 1}, "used before"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, row: object, cause: str) -> None:
    path = written(tmp_path / "q.jsonl", QUESTION | {"id": 1}, "", row)
    with pytest.raises(EvalFileInvalid, match=cause) as raised:
        read_records(path, AnswerRecord)
    assert "line 3" in raised.value.cause
    assert raised.value.body().code == "eval_file_invalid"
    assert raised.value.details == {"file": str(path), "line": 3}


@pytest.mark.parametrize("name", ["q.jsonl", "q.jsonl.gz"])
def test_records_are_read_plain_and_gzipped(tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path / name, QUESTION, QUESTION | {"id": "b", "passages": None}, QUESTION | {"id": "c"}
    )
    first, second = read_records(path, AnswerRecord, limit=2)
    assert (first.id, first.gold, first.passages and first.passages[0].id) == ("7", ("1",), "1")
    assert second.passages is None


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress(json.dumps(QUESTION).encode() * 100)[:-20])
    no_gzip = tmp_path / "no.jsonl.gz"
    no_gzip.write_text("{}")
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"id": "\xe9"}')
    for path in (torn, no_gzip, latin, tmp_path / "absent.jsonl", written(tmp_path / "empty.jsonl", "")):
        with pytest.raises(EvalFileInvalid, match=path.name):
            read_records(path, AnswerRecord)


def test_a_claim_has_one_of_three_labels(tmp_path: Path) -> None:
    row = {"id": "1", "claim": "It is red.", "passages": ["Red."], "label": "maybe"}
    with pytest.raises(EvalFileInvalid, match="label"):
        read_records(written(tmp_path / "c.jsonl", row), ClaimRecord)
    assert read_records(written(tmp_path / "c.jsonl", row | {"label": "supported"}), ClaimRecord)


def test_a_document_is_its_title_and_text() -> None:
    assert CorpusRecord(id="1", title="Title", text="Text").passage == "Title\nText"
    assert CorpusRecord(id="1", title="Title", text="").passage == "Title"


@pytest.mark.parametrize("header", [(), ("query_id\tdoc_id\tscore",)])
def test_judgements_with_and_without_a_header(tmp_path: Path, header: tuple[str, ...]) -> None:
    path = written(tmp_path / "qrels.tsv", *header, "q1\td1\t2", "q1\td2\t0", "q2\td1\t-1")
    assert read_judgements(path) == {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": -1}}


@pytest.mark.parametrize(
    ("line", "cause"), [("q1 d1 1", "columns"), ("q1\td1", "columns"), ("q1\td1\thigh", "whole number")]
)
def test_bad_judgements_are_refused_with_their_line(tmp_path: Path, line: str, cause: str) -> None:
    with pytest.raises(EvalFileInvalid, match=f"line 2.*{cause}"):
        read_judgements(written(tmp_path / "qrels.tsv", "q\td\t1", line))


def test_a_file_without_judgements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvalFileInvalid, match="no judgements"):
        read_judgements(written(tmp_path / "qrels.tsv", "query\tdocument\tgrade"))


def test_only_queries_with_a_relevant_document_are_asked(tmp_path: Path) -> None:
    queries = [QueryRecord(id=name, text="?") for name in ("a", "b", "c")]
    judgements = {"a": {"d": 0}, "b": {"d": 1}}
    assert [query.id for query in judged_queries(queries, judgements, tmp_path)] == ["b"]
    with pytest.raises(EvalFileInvalid, match="no relevant document"):
        judged_queries(queries[:1], judgements, tmp_path / "qrels.tsv")
