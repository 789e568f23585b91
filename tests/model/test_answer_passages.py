"""A split's passages as the file that `footnote eval generation` reads."""

from __future__ import annotations

import json
from pathlib import Path

from model.train.answers.data import load_answers
from model.train.answers.passages import main
from tests.model.invented_answers import write_data


def test_every_passage_of_the_split_is_written_with_what_it_answers(tmp_path: Path) -> None:
    folder, out = write_data(tmp_path), tmp_path / "passages.jsonl"
    main(["--data", str(folder), "--split", "test", "--out", str(out)])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    chunks = load_answers(folder, "test").chunks
    assert [(row["title"], row["text"]) for row in rows] == [(each.document, each.text) for each in chunks]
    assert len({row["id"] for row in rows}) == len(rows)
    asked = [(row["text"], each) for row in rows for each in row["asked"]]
    assert asked
    assert all(any(answer in text for answer in each["answers"]) for text, each in asked)
    studies = [row for row in rows if row["id"].startswith("qa_pubmedqa")]
    assert all(row["asked"] == [] for row in studies)  # "Yes" stands in no abstract
