"""A split's passages and what people asked about them, as a file for `footnote eval generation`.

`python -m model.train.answers.passages --data DATA/train --split test --out FILE`: a line a passage, {id,
title, text, asked: [{question, answers}]}. Only questions whose answer stands in the passage are named.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from model.train.answers.data import AnswerData, holds, load_answers
from model.train.data import Split


def passage_records(data: AnswerData) -> Iterator[dict[str, Any]]:
    """Every passage of the split, in its order; `asked` is empty where nobody asked."""
    items = data.items_of_chunk()
    for number, chunk in enumerate(data.chunks):
        asked = [
            {"question": item.question, "answers": list(item.answers)}
            for item in items.get(number, ())
            if item.style == "short" and holds(chunk.text, item.answers)
        ]
        yield {"id": f"{chunk.source}-{number}", "title": chunk.document, "text": chunk.text, "asked": asked}


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.answers.passages", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training files")
    parser.add_argument("--split", choices=get_args(Split), default="test")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write")
    chosen = parser.parse_args(arguments)
    with chosen.out.open("w", encoding="utf-8") as file:
        for record in passage_records(load_answers(chosen.data, chosen.split)):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
