"""Training lists for the cross-encoder: a question, the passage that answers it, passages that do not.

Documents, not questions, are split, so nothing measured on `dev` or `test` was read in training. A
passage enters as a window of tokens: around the answer for the positive, anywhere for the others.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model.registry import sha256_of
from model.tokenizer import EncoderTokenizer

Split = Literal["train", "dev", "test"]
FILES = (
    "passages.jsonl.gz",
    "retrieval_qa_triples.jsonl.gz",
    "qa_derived_unanswerable.jsonl.gz",
    "retrieval_medquad.jsonl.gz",
)
HELD_OUT_SHARE = 0.08  # of each set's documents, for dev and again for test
# Questions drawn from each set in proportion to these, so that neither stories nor templates dominate.
SET_WEIGHTS = {
    "qa_qed_nq": 0.38,
    "qa_squad1.1dev_13articles": 0.26,
    "qa_selqa_sentences": 0.12,
    "qa_fairytaleqa": 0.10,
    "qa_covidqa": 0.08,
    "retrieval_medquad": 0.06,
    "cloze": 0.12,
}


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage with the document that decides its split."""

    text: str
    title: str
    source: str  # data set
    document: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its labelled passages, by index into the corpus."""

    text: str
    positive: int
    negatives: tuple[int, ...]  # lexically close, not holding the answer
    near_misses: tuple[int, ...]  # from the same document, not holding the answer
    answers: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything the recipe reads."""

    passages: list[Passage]
    questions: list[Question]

    def split_of(self, question: Question) -> Split:
        """The split of the document that answers the question."""
        return split_of(self.passages[question.positive])

    def questions_of(self, split: Split) -> list[Question]:
        """Questions of one split; in training, negatives from held-out documents are dropped."""
        return [
            self._within(question, split) for question in self.questions if self.split_of(question) == split
        ]

    def _within(self, question: Question, split: Split) -> Question:
        def keep(indices: Iterable[int]) -> tuple[int, ...]:
            return tuple(index for index in indices if split_of(self.passages[index]) == split)

        return Question(
            question.text,
            question.positive,
            keep(question.negatives),
            keep(question.near_misses),
            question.answers,
            question.source,
        )

    def passages_of(self, split: Split) -> list[int]:
        """Indices of one split's passages."""
        return [index for index, passage in enumerate(self.passages) if split_of(passage) == split]


def split_of(passage: Passage) -> Split:
    """Decided by a hash of the document's name: stable when data is added."""
    digest = hashlib.sha256(f"{passage.source}\0{passage.document}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < HELD_OUT_SHARE:
        return "test"
    return "dev" if position < 2 * HELD_OUT_SHARE else "train"


def checksums(files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file, by its name."""
    return {file.name: sha256_of(file) for file in files}


def load_corpus(folder: Path) -> Corpus:
    """Read the four files of `FILES`; raises FileNotFoundError naming an absent one."""
    passages = [
        Passage(row["text"], row["title"], row["set"], row["title"])
        for row in read_rows(folder / "passages.jsonl.gz")
    ]
    near_misses = _near_misses(folder / "qa_derived_unanswerable.jsonl.gz", passages)
    questions = [
        Question(
            row["query"],
            row["positive"],
            tuple(row["negatives"]),
            near_misses.get(row["id"], ()),
            tuple(row["answers"]),
            row["set"],
        )
        for row in read_rows(folder / "retrieval_qa_triples.jsonl.gz")
    ]
    _add_medquad(read_rows(folder / "retrieval_medquad.jsonl.gz"), passages, questions)
    return Corpus(passages, questions)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _near_misses(path: Path, passages: Sequence[Passage]) -> dict[str, tuple[int, ...]]:
    """Question id to the passages that look right and do not answer it."""
    by_text = {passage.text: index for index, passage in enumerate(passages)}
    found: dict[str, list[int]] = defaultdict(list)
    for row in read_rows(path):
        if row["context"] in by_text:
            found[row["id"].removeprefix("un-")].append(by_text[row["context"]])
    return {question_id: tuple(indices) for question_id, indices in found.items()}


def _add_medquad(rows: Iterable[dict[str, Any]], passages: list[Passage], questions: list[Question]) -> None:
    """Each group is one document: the other answers of a group are near misses of its questions."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    for group, members in groups.items():
        first = len(passages)
        passages += [
            Passage(row["positive"], row["focus"] or "", "retrieval_medquad", group) for row in members
        ]
        for offset, row in enumerate(members):
            others = tuple(first + other for other in range(len(members)) if other != offset)
            questions.append(
                Question(
                    row["query"], first + offset, (), others, (row["positive"][:200],), "retrieval_medquad"
                )
            )


@dataclass(frozen=True, slots=True)
class PairList:
    """One question's rows, the positive first, ready to be padded."""

    rows: list[list[int]]
    passage_starts: list[int]


class ListMaker:
    """Turns questions into lists of token rows; deterministic given its random generator."""

    def __init__(self, corpus: Corpus, tokenizer: EncoderTokenizer, *, list_size: int) -> None:
        self._corpus = corpus
        self._tokenizer = tokenizer
        self._list_size = list_size
        self._random_pool = corpus.passages_of("train")
        self._cut: dict[int, list[int]] = {}  # token ids of passages met before

    def batches(
        self,
        questions: Sequence[Question],
        chance: random.Random,
        *,
        max_pair_tokens: Sequence[int],
        batch_tokens: int,
    ) -> Iterator[list[PairList]]:
        """Endless batches of about `batch_tokens`, all rows of a batch cut at one length drawn for it."""
        draw = self._drawer(questions, chance)
        while True:
            cut = chance.choice(max_pair_tokens)
            count = max(1, batch_tokens // (cut * self._list_size))
            batch: list[PairList] = []
            while len(batch) < count:
                made = self.make(next(draw), cut, chance)
                if made is not None:
                    batch.append(made)
            yield batch

    @staticmethod
    def _drawer(questions: Sequence[Question], chance: random.Random) -> Iterator[Question]:
        """Endless questions, by set weight, each set shuffled and used up before it repeats."""
        by_source: dict[str, list[Question]] = defaultdict(list)
        for question in questions:
            by_source[question.source].append(question)
        sources = sorted(by_source)
        weights = [SET_WEIGHTS.get(source, 0.1) for source in sources]
        queues: dict[str, list[Question]] = {source: [] for source in sources}
        while True:
            source = chance.choices(sources, weights)[0]
            if not queues[source]:
                queues[source] = chance.sample(by_source[source], len(by_source[source]))
            yield queues[source].pop()

    def make(self, question: Question, max_pair_tokens: int, chance: random.Random) -> PairList | None:
        """The positive and sampled negatives, or None when no window of the positive holds the answer."""
        question_ids = self._tokenizer.encode([question.text])[0]
        room = max_pair_tokens - 3 - min(len(question_ids), max_pair_tokens // 2)
        positive = self._answer_window(question, room, chance)
        if positive is None:
            return None
        negatives = [
            self._window(self._tokens(index), room, chance) for index in self._negatives(question, chance)
        ]
        pairs = [self._tokenizer.pair(question_ids, ids, max_pair_tokens) for ids in (positive, *negatives)]
        return PairList([row for row, _ in pairs], [start for _, start in pairs])

    def _negatives(self, question: Question, chance: random.Random) -> list[int]:
        """One near miss where there is one, then lexically close ones, then any passage."""
        wanted = self._list_size - 1
        near = chance.sample(question.near_misses, min(1, len(question.near_misses)))
        close = [index for index in question.negatives if index not in near]
        chosen = near + chance.sample(close, min(len(close), wanted - len(near)))
        return chosen + [chance.choice(self._random_pool) for _ in range(wanted - len(chosen))]

    def _tokens(self, index: int) -> list[int]:
        """Token ids of a passage."""
        if index not in self._cut:
            self._cut[index] = self._tokenizer.encode([self._corpus.passages[index].text])[0]
        return self._cut[index]

    def _answer_window(self, question: Question, room: int, chance: random.Random) -> list[int] | None:
        """Tokens of the positive holding an answer, at a random offset around it."""
        text = self._corpus.passages[question.positive].text
        ids = self._tokens(question.positive)
        if len(ids) <= room:
            return ids
        span = self._answer_tokens(text, question.answers)
        if span is None or span[1] - span[0] > room:
            return None
        first, last = max(0, span[1] - room), min(span[0], len(ids) - room)
        start = chance.randint(min(first, last), max(first, last))
        return ids[start : start + room]

    def _answer_tokens(self, text: str, answers: Sequence[str]) -> tuple[int, int] | None:
        for answer in answers:
            at = text.find(answer)
            if answer and at >= 0:
                end = at + len(answer)
                inside = [i for i, (a, b) in enumerate(self._tokenizer.spans(text)) if a < end and b > at]
                if inside:
                    return inside[0], inside[-1] + 1
        return None

    @staticmethod
    def _window(ids: list[int], room: int, chance: random.Random) -> list[int]:
        start = chance.randint(0, max(0, len(ids) - room))
        return ids[start : start + room]
