"""Questions in Japanese (JaQuAD, So et al., 2022): more answers to find and copy, in another script.

They are for training alone: what is held out stays English, so that runs with and without them compare.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from model.train.answers.data import AnswerData, Chunk, Item, rows_of

FILE = "qa_jaquad_ja.jsonl.gz"
SOURCE = "qa_jaquad_ja"
MAX_CHARACTERS = 500  # about the tokens of an English chunk twice over
MAX_HARD = 12  # other chunks of the article, that look right and do not answer
_SENTENCE_END = re.compile(r"(?<=。)")


def add_japanese(data: AnswerData, folder: Path) -> None:
    """Append the set's chunks and items; raises FileNotFoundError where the folder has no such file."""
    chunks = data.chunks
    of_context: dict[str, list[int]] = {}
    of_article: dict[str, list[int]] = defaultdict(list)
    rows = list(rows_of(folder / FILE))
    for row in rows:
        if row["context"] not in of_context:
            pieces = _pieces(" ".join(row["context"].split()))
            own = list(range(len(chunks), len(chunks) + len(pieces)))
            chunks += [Chunk(piece, row["title"], SOURCE) for piece in pieces]
            of_context[row["context"]] = own
            of_article[row["title"]] += own
    for row in rows:
        answer = " ".join(row["answers"][0]["text"].split())
        gold = next((index for index in of_context[row["context"]] if answer in chunks[index].text), None)
        if gold is not None and answer:
            near = sorted(of_article[row["title"]], key=lambda index: abs(index - gold))[1:]
            hard = [index for index in near if answer not in chunks[index].text][:MAX_HARD]
            data.items.append(Item(row["question"], (answer,), gold, "short", SOURCE, tuple(hard)))


def _pieces(text: str) -> list[str]:
    """Whole sentences up to MAX_CHARACTERS; a sentence that is longer stays whole."""
    pieces: list[str] = []
    for sentence in filter(None, _SENTENCE_END.split(text)):
        if pieces and len(pieces[-1]) + len(sentence) <= MAX_CHARACTERS:
            pieces[-1] += sentence
        else:
            pieces.append(sentence)
    return pieces
