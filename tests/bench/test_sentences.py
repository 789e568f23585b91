"""Texts for the dense index are read once each, questions apart from passages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tests.bench.sentences import read_texts, sentences


def test_questions_and_sentences_are_read_from_any_shape(tmp_path: Path) -> None:
    rows = [
        {"question": "Who keeps the lamp?", "context": "Ida Brandt keeps the lamp of Skarholm. Short one."},
        {
            "query": "Who keeps the lamp?",
            "passages": [{"text": "Nobody else may light it before dusk."}],
        },
    ]
    (tmp_path / "inner").mkdir()
    with gzip.open(tmp_path / "inner" / "some.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    passages, questions = read_texts(tmp_path)
    assert questions == ["Who keeps the lamp?"]
    assert sorted(passages) == [
        "Ida Brandt keeps the lamp of Skarholm.",
        "Nobody else may light it before dusk.",
    ]


def test_a_long_sentence_is_cut_and_loses_nothing() -> None:
    long = "word " * 150
    parts = list(sentences(long))
    assert len(parts) == 3
    assert "".join(parts).replace(" ", "") == long.replace(" ", "")
