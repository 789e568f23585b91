"""A user's own questions as training data: JSON lines in the form of `footnote eval answers`.

{"question", "answers": [...], "answerable", "passages": [{"id", "title", "text"}], "gold": [ids]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model.train.answers.data import AnswerData, Chunk, Item
from model.train.data import Passage, Split, split_of

SOURCE = "own"


def load_rows(file: Path, split: Split) -> AnswerData:
    """One split of the file, cut by the title of the passage that answers, or by question without one.

    Raises ValueError naming the line that is not of this form.
    """
    chunks: dict[tuple[str, str], int] = {}
    items: list[Item] = []
    for number, row in _rows(file):
        try:
            item = _item(row, chunks, split)
        except (KeyError, TypeError, IndexError, StopIteration) as error:
            raise ValueError(f"{file}, line {number}: not a question with passages ({error!r})") from error
        if item is not None:
            items.append(item)
    return AnswerData([Chunk(text, title, SOURCE) for title, text in chunks], items)


def _rows(file: Path) -> Iterator[tuple[int, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{file}, line {number}: not JSON ({error})") from error


def _item(row: dict[str, Any], chunks: dict[tuple[str, str], int], split: Split) -> Item | None:
    """The row's question, or None for another split or a question without an answer.

    What has no answer is learned from answerable questions, whose passage is taken away.
    """
    if not row["answerable"]:
        return None
    gold = next(passage for passage in row["passages"] if passage["id"] in row["gold"])
    title = gold.get("title", "") or row["question"]
    if split_of(Passage(gold["text"], title, SOURCE, title)) != split:
        return None
    places = [
        chunks.setdefault((passage.get("title", ""), passage["text"]), len(chunks))
        for passage in (gold, *row["passages"])
    ]
    answers = tuple(str(answer) for answer in row["answers"])
    if not answers:
        raise KeyError("answers")
    hard = tuple(dict.fromkeys(place for place in places if place != places[0]))
    return Item(row["question"], answers, places[0], "short", SOURCE, hard)
