"""The dense index over real sentences: `python -m tests.bench.sentences FOLDER`, on a quiet machine.

Reads every `*.jsonl.gz` below the folder. Strings under `question` or `query` are questions, sentences of all
other strings are passages; both are embedded by the default encoder and kept in the file named by
`--vectors`, so that a second run starts at once. What `footnote bench search` measures with made-up vectors
is measured with these, at a few sizes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.settings import Settings
from bench import ours
from bench.dense import ALL, Bench
from bench.vectors import BLOCK
from retrieval.types import Vectors

SIZES: Final = (60_000, 250_000, 1_000_000)  # or as many as there are
QUESTIONS: Final = 5_000
_ASKED: Final = frozenset({"question", "query"})
_SENTENCE = re.compile(r"(?<=[.!?。])\s+|\n+|(?<=。)")
_SHORTEST, _LONGEST = 25, 300  # characters of a sentence; longer ones are cut


def main() -> None:
    """One line a size: recall, time, memory, and flat beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vectors", type=Path, help="a file for the embedded texts")
    parser.add_argument(
        "--most", type=int, default=SIZES[-1], help="sentences to embed; default: %(default)s"
    )
    options = parser.parse_args()
    source = Sentences(*embedded(options.folder, options.most, options.vectors))
    for size in sorted({min(size, len(source)) for size in SIZES}):
        report(source, size)


class Sentences:
    """Vectors of sentences in random order, and of questions."""

    def __init__(self, passages: Vectors, questions: Vectors) -> None:
        self._passages, self._questions = passages, questions

    def __len__(self) -> int:
        return len(self._passages)

    def draw(self, count: int, *, seed: int) -> Vectors:
        """Some of the questions, float32 [count, C]; the same for the same seed."""
        chosen = np.random.default_rng(seed).choice(len(self._questions), count, replace=False)
        return self._questions[chosen].astype(np.float32)

    def blocks(self, count: int) -> Iterator[Vectors]:
        """The first `count` passages."""
        for start in range(0, count, BLOCK):
            yield self._passages[start : min(start + BLOCK, count)].astype(np.float32)


def report(source: Sentences, size: int) -> None:
    """Measure one size and print what came out."""
    with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
        bench = Bench(source, size, Path(folder))
        recall = bench.recall(ALL)
        ours_ms, flat_ms = [], []
        for number in range(7):
            ours_ms.append(bench.asking(ALL)(number))
            flat_ms.append(bench.scanning(number))
        (p50, p95), (flat_p50, flat_p95) = np.median(ours_ms, axis=0), np.median(flat_ms, axis=0)
        print(
            f"{size:,} sentences: recall@10 {recall:.4f}, scanned {bench.index.scanned_share:.2f}, "
            f"p50 {p50:.2f} ms, p95 {p95:.2f} ms; flat {flat_p50:.1f} and {flat_p95:.1f} ms; "
            f"built in {bench.build_s:.0f} s, {bench.bytes_a_vector:.0f} resident bytes a vector",
            flush=True,
        )


def embedded(folder: Path, most: int, kept: Path | None) -> tuple[Vectors, Vectors]:
    """Passages and questions as float16 [N, C], from the file where that has them."""
    if kept is not None and kept.exists():
        content = np.load(kept)
        return content["passages"], content["questions"]
    passages, questions = read_texts(folder)
    vectors = _embed(passages[:most]), _embed(questions[:QUESTIONS])
    if kept is not None:
        np.savez(kept, passages=vectors[0], questions=vectors[1])
    return vectors


def _embed(texts: list[str]) -> Vectors:
    embedder = ours.load_embedder(Settings())
    parts = []
    for start in range(0, len(texts), BLOCK):
        parts.append(embedder.encode(texts[start : start + BLOCK]).astype(np.float16))
        print(f"embedded {start + len(parts[-1]):,} of {len(texts):,} texts", flush=True)
    return np.concatenate(parts)


def read_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Sentences and questions, each once, in a random order that is the same every time."""
    questions: set[str] = set()
    passages: set[str] = set()
    for path in sorted(folder.rglob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                for name, text in _strings(json.loads(line)):
                    if name in _ASKED:
                        questions.add(text.strip())
                    else:
                        passages.update(sentences(text))
    return _shuffled(passages - questions), _shuffled(questions)


def sentences(text: str) -> Iterator[str]:
    """Those worth a search, the longest cut."""
    for sentence in _SENTENCE.split(text):
        for start in range(0, len(sentence), _LONGEST):
            if len(part := sentence[start : start + _LONGEST].strip()) >= _SHORTEST:
                yield part


def _strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a JSON value with the name that it stands under."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, name)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _strings(each, key)


def _shuffled(texts: set[str]) -> list[str]:
    ordered = sorted(texts)
    return [ordered[place] for place in np.random.default_rng(0).permutation(len(ordered))]


if __name__ == "__main__":
    main()
