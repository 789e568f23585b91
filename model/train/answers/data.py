"""What the answerer learns from: chunks of documents and the questions that each of them answers.

Documents are split as for the reranker. Chunks are at most MAX_CHARACTERS long, as in the product, and a
question belongs to the chunk that holds its answer.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from model.train.data import Passage, Split, split_of

MAX_CHARACTERS = 900
_SHINGLE_WORDS = 8
_SHARED_SHINGLES = 0.3  # of a training chunk's, from which on it repeats a held-out one
MAX_SPAN_CHARACTERS = 130  # of a QED answer
_LEADING_SIGNS = re.compile(r"^[\s.,;:)\]\-–—]+(?=\S)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
FILES = (
    "passages.jsonl.gz",
    "retrieval_qa_triples.jsonl.gz",
    "qa_derived_unanswerable.jsonl.gz",
    "qa_pubmedqa_pqal.jsonl.gz",
    "cited_expertqa.jsonl.gz",
    "qa_jaquad_ja.jsonl.gz",
)
SENTENCE_SETS = frozenset({"qa_selqa_sentences"})  # their answers are whole sentences

Style = Literal["short", "full"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage as the product would index it."""

    text: str
    document: str
    source: str


@dataclass(slots=True)
class Item:
    """A question with the chunk that answers it."""

    question: str
    answers: tuple[str, ...]  # the first one is learned, any counts in measuring
    chunk: int
    style: Style
    source: str
    hard: tuple[int, ...] = ()  # chunks that look right and do not answer


@dataclass(slots=True)
class CitedAnswer:
    """A long answer with markers over its own passages."""

    question: str
    answer: str  # with [n], n from 1
    passages: list[str]


@dataclass(slots=True)
class AnswerData:
    """One split."""

    chunks: list[Chunk]
    items: list[Item]
    cited: list[CitedAnswer] = field(default_factory=list)
    removed_chunks: int = 0  # near-duplicates of held-out text

    def items_of_chunk(self) -> dict[int, list[Item]]:
        """Chunk to the questions it answers."""
        found: dict[int, list[Item]] = defaultdict(list)
        for item in self.items:
            found[item.chunk].append(item)
        return found

    def near_items_of_chunk(self) -> dict[int, list[Item]]:
        """Chunk to the questions that it looks right for and does not answer."""
        found: dict[int, list[Item]] = defaultdict(list)
        for item in self.items:
            for chunk in item.hard:
                found[chunk].append(item)
        return found


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a gzipped JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def load_answers(folder: Path, split: Split) -> AnswerData:
    """Chunks and items of one split; a training split has near-duplicates of the others removed.

    Raises FileNotFoundError naming an absent file of `FILES`.
    """
    passages = [
        Passage(row["text"], row["title"], row["set"], row["title"])
        for row in rows_of(folder / "passages.jsonl.gz")
    ]
    chunks, chunks_of_passage = _cut(passages, split)
    removed = _near_duplicates(chunks, passages) if split == "train" else set()
    items = _items(folder, passages, chunks, chunks_of_passage, removed)
    items += _yes_no_items(folder, chunks, split)
    cited = list(_cited(folder)) if split == "train" else []
    return AnswerData(chunks, items, cited, len(removed))


def split_chunks(text: str, limit: int = MAX_CHARACTERS) -> list[str]:
    """Whole sentences up to `limit` characters; a longer sentence is cut at a space."""
    pieces: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        while len(sentence) > limit:
            at = sentence.rfind(" ", 1, limit)
            at = at if at > 0 else limit
            pieces.append(sentence[:at])
            sentence = sentence[at:].lstrip()
        pieces.append(sentence)
    chunks: list[str] = []
    for piece in pieces:
        if chunks and len(chunks[-1]) + 1 + len(piece) <= limit:
            chunks[-1] += f" {piece}"
        elif piece:
            chunks.append(piece)
    return chunks


def _cut(passages: Sequence[Passage], split: Split) -> tuple[list[Chunk], dict[int, list[int]]]:
    chunks: list[Chunk] = []
    of_passage: dict[int, list[int]] = {}
    for index, passage in enumerate(passages):
        if split_of(passage) == split:
            texts = split_chunks(" ".join(passage.text.split()))
            of_passage[index] = list(range(len(chunks), len(chunks) + len(texts)))
            chunks += [Chunk(text, passage.document, passage.source) for text in texts]
    return chunks, of_passage


def _near_duplicates(chunks: Sequence[Chunk], passages: Sequence[Passage]) -> set[int]:
    """Training chunks that share too many runs of words with held-out passages."""
    held_out: set[int] = set()
    for passage in passages:
        if split_of(passage) != "train":
            held_out.update(_shingles(passage.text))
    found = set()
    for index, chunk in enumerate(chunks):
        runs = _shingles(chunk.text)
        if runs and len(runs & held_out) / len(runs) > _SHARED_SHINGLES:
            found.add(index)
    return found


def _shingles(text: str) -> set[int]:
    words = text.casefold().split()
    count = max(len(words) - _SHINGLE_WORDS + 1, 0)
    return {hash(tuple(words[start : start + _SHINGLE_WORDS])) for start in range(count)}


def _items(
    folder: Path,
    passages: Sequence[Passage],
    chunks: Sequence[Chunk],
    of_passage: dict[int, list[int]],
    removed: set[int],
) -> list[Item]:
    near = _near_misses(folder, passages)
    items = []
    for row in rows_of(folder / "retrieval_qa_triples.jsonl.gz"):
        answers = _references(row)
        gold = _gold(chunks, of_passage.get(row["positive"], ()), answers)
        if not answers or gold is None or gold in removed:
            continue
        others = [
            chunk
            for passage in (*near.get(row["id"], ()), *row["negatives"], row["positive"])
            for chunk in of_passage.get(passage, ())
            if chunk != gold and chunk not in removed and not holds(chunks[chunk].text, answers)
        ]
        style: Style = "full" if row["set"] in SENTENCE_SETS else "short"
        items.append(Item(row["query"], answers, gold, style, row["set"], tuple(dict.fromkeys(others))))
    return items


def _references(row: dict[str, Any]) -> tuple[str, ...]:
    """The answers of a row without stray signs before them; none where a set's spans are unfit to learn.

    Several QED spans answer together and none of them alone; its longest ones are spans joined across a list.
    """
    texts = (_LEADING_SIGNS.sub("", " ".join(answer.split())) for answer in row["answers"])
    answers = tuple(dict.fromkeys(text for text in texts if text))
    unfit = len(answers) > 1 or any(len(answer) > MAX_SPAN_CHARACTERS for answer in answers)
    return () if row["set"] == "qa_qed_nq" and unfit else answers


def holds(text: str, answers: Iterable[str]) -> bool:
    """Whether any answer stands in the text, case aside."""
    folded = text.casefold()
    return any(answer.casefold() in folded for answer in answers)


def _gold(chunks: Sequence[Chunk], candidates: Sequence[int], answers: Sequence[str]) -> int | None:
    """The chunk of the positive passage that holds an answer; a lone chunk needs none (free-form answers)."""
    for chunk in candidates:
        if holds(chunks[chunk].text, answers):
            return chunk
    return candidates[0] if len(candidates) == 1 else None


def _near_misses(folder: Path, passages: Sequence[Passage]) -> dict[str, list[int]]:
    by_text = {passage.text: index for index, passage in enumerate(passages)}
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows_of(folder / "qa_derived_unanswerable.jsonl.gz"):
        if row["context"] in by_text:
            found[row["id"].removeprefix("un-")].append(by_text[row["context"]])
    return found


def _yes_no_items(folder: Path, chunks: list[Chunk], split: Split) -> list[Item]:
    """Abstracts with a decision: asked shortly, and with the authors' conclusion as the full answer."""
    items = []
    for row in rows_of(folder / "qa_pubmedqa_pqal.jsonl.gz"):
        passage = Passage(row["context"], "", "qa_pubmedqa_pqal", row["id"])
        if split_of(passage) == split:
            last = split_chunks(" ".join(row["context"].split()), 1200)[-1]  # where the results stand
            chunks.append(Chunk(last, row["id"], passage.source))
            decision = str(row["decision"]).capitalize()
            conclusion = _first_sentence(row["answers"][0]["text"])
            index = len(chunks) - 1
            items.append(Item(row["question"], (decision,), index, "short", passage.source))
            items.append(Item(row["question"], (f"{decision}. {conclusion}",), index, "full", passage.source))
    return items


def _first_sentence(text: str) -> str:
    return _SENTENCE_END.split(" ".join(text.split()))[0]


_MARKERS = re.compile(r"\[(\d+)\]")
_CITED_CHARACTERS = 420  # of a long answer that is learned


def _cited(folder: Path) -> Iterator[CitedAnswer]:
    """Expert-checked answers whose cited pages are known, cut to a few sentences."""
    for row in rows_of(folder / "cited_expertqa.jsonl.gz"):
        pages = {context["n"]: context["text"] for context in row["contexts"] if context["text"].strip()}
        text = ""
        for sentence in _SENTENCE_END.split(" ".join(row["revised_answer"].replace("*", "").split())):
            cited = {int(number) for number in _MARKERS.findall(sentence)}
            if cited and cited <= set(pages) and len(text) + len(sentence) < _CITED_CHARACTERS:
                text += f"{sentence} "
        numbers = list(dict.fromkeys(int(number) for number in _MARKERS.findall(text)))
        if numbers:
            passages = [closest_chunk(pages[number], text) for number in numbers]
            yield CitedAnswer(row["question"], _renumbered(text, numbers), passages)


def _renumbered(text: str, numbers: Sequence[int]) -> str:
    """The text with the markers of these numbers counted from 1."""
    return " ".join(_MARKERS.sub(lambda match: f" [{numbers.index(int(match[1])) + 1}]", text).split())


def closest_chunk(page: str, text: str) -> str:
    """The chunk of a page that shares most words with a text."""
    wanted = set(text.casefold().split())
    return max(
        split_chunks(" ".join(page.split())), key=lambda chunk: len(wanted & set(chunk.casefold().split()))
    )
