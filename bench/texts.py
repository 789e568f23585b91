"""Words to measure with: sentences of the sample documents, mixed by a seed, so that rounds differ."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.session import BenchFailed
from ingest.parse import parse
from ingest.types import ParsedDocument, ParseLimits, TokenSpans

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
PROSE = (
    "employee-handbook.pdf",
    "annual-report-2025.pdf",
    "travel-and-expense-policy.docx",
    "pellucid-4-faq.html",
)
SENTENCE = re.compile(r"[^.!?]{20,400}[.!?](?=\s)")
MEDIAN_WORDS, WORDS_SIGMA, FEWEST_WORDS = 60, 0.9, 5  # of texts of mixed length: log-normal, as passages are


@dataclass(frozen=True, slots=True)
class Question:
    """One of samples/questions.jsonl that the sample documents answer."""

    text: str
    file_name: str
    page: int


@cache
def document(file_name: str) -> ParsedDocument:
    """A sample document, parsed once; raises BenchFailed outside a checkout."""
    path = SAMPLES / "files" / file_name
    if not path.is_file():
        raise BenchFailed(
            f"There is no {path}.", next_step="Run benchmarks from a checkout with its samples."
        )
    return parse(path, file_name, ParseLimits(), lambda *_: None)


@cache
def sentences() -> tuple[str, ...]:
    """Every sentence of the sample documents that are prose."""
    found = itertools.chain.from_iterable(SENTENCE.findall(document(name).text) for name in PROSE)
    return tuple(dict.fromkeys(" ".join(sentence.split()) for sentence in found))


def questions() -> list[Question]:
    """Those with an answer on a known page of a known file."""
    lines = (SAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [
        Question(record["question"], record["gold_file"], record["gold_page"])
        for record in records
        if record["answerable"] and record.get("gold_page")
    ]


def prose(words: int, *seed: object) -> str:
    """Running text of at least `words` words; the same for the same seed."""
    chosen, count = random.Random(repr(seed)), 0
    found: list[str] = []
    while count < words:
        found.append(chosen.choice(sentences()))
        count += len(found[-1].split())
    return " ".join(found)


def mixed_texts(count: int, most_words: int, *seed: object) -> list[str]:
    """Texts as long and as short as those of a collection: a title's words up to `most_words`."""
    drawn = random.Random(repr(seed))
    texts = []
    for number in range(count):
        words = round(drawn.lognormvariate(0.0, WORDS_SIGMA) * MEDIAN_WORDS)
        words = max(FEWEST_WORDS, min(words, most_words))
        texts.append(" ".join(prose(words, *seed, number).split()[:words]))
    return texts


def exact_text(tokens: int, spans: TokenSpans, *seed: object) -> str:
    """Prose cut after exactly `tokens` encoder tokens, special tokens not counted."""
    text = prose(tokens, *seed)
    return text[: spans(text)[tokens - 1][1]]


def exact_tokens(tokens: int, encode: Callable[[str], Sequence[int]], *seed: object) -> list[int]:
    """Exactly `tokens` decoder tokens of prose, what `encode` puts before a text included."""
    return list(encode(prose(tokens, *seed))[:tokens])
