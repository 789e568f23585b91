"""How good the filter of generated questions is, on passages that people asked about.

Two ways that need no reader. People's own questions must pass the filter with the passage that answers
them, and fail with the one that search finds first of those that do not. And of the questions that the
decoder writes, those kept should do better than those dropped, also by what the filter does not look at.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.answers.evaluation import answer_case, in_prompt_order, own_chunks
from app.evals.corpus_index import COLLECTION_ID, fill
from app.evals.generation.filtering import REASONS, Drop, repeats, same_answer, says_nothing_new, tidy
from app.evals.generation.writing import NothingWritten, asked, filtered, said
from app.evals.metrics import Interval, f1, mean_interval, normalize_answer
from app.evals.records import AskedPassageRecord, AskedRecord
from app.evals.types import CaseAnswer, EvalPassage, Progress
from app.services import Services, search_config
from retrieval.index_store import IndexStore
from retrieval.searcher import Searcher
from retrieval.types import AccessFilter, Chunk, SearchResult

AGREES = 0.6  # F1 of two answers, from which on they are one
FIRST = 5

Figures = dict[str, dict[str, Interval]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A generated question: what the filter does with it, and what speaks for it, 0 or 1 each."""

    question: str
    answer: str
    drop: Drop | None
    signs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Known:
    """A person's question beside a passage: whether the filter keeps it, and whether the answer is right."""

    kept: bool
    is_right: bool | None  # None: the passage does not answer it


class Bench:
    """All passages of a file, searched as the product does, each being a document of its own."""

    def __init__(
        self, services: Services, index: IndexStore, records: Sequence[AskedPassageRecord], progress: Progress
    ) -> None:
        self.services, self.config = services, search_config(services.settings)
        self.records = dict(enumerate(records, start=1))
        self.chunks = {number: _chunk(number, record) for number, record in self.records.items()}
        self._found: dict[str, SearchResult] = {}
        models = services.models
        fill(index, self.chunks, models.ingest.encode, progress)
        self._searcher = Searcher(index, models.ingest.encode, models.score_pairs, self._load)

    def search(self, question: str) -> SearchResult:
        """As deep as the reranker reads; a question is searched for once."""
        if question not in self._found:
            deep = replace(self.config, top_k=self.config.rerank_k)
            access = AccessFilter(frozenset({COLLECTION_ID}))
            self._found[question] = self._searcher.search(question, access, deep)
        return self._found[question]

    def drop(self, question: str, chunk: Chunk) -> Drop | None:
        """What the filter finds wrong with the question, where there is no other one."""
        try:
            filtered(self.services, self.search, self.config.top_k, question, chunk, ())
        except NothingWritten as error:
            return error.drop
        return None

    def answer(self, question: str, found: SearchResult) -> CaseAnswer:
        """Gate, answerer, checks on what was found."""
        return answer_case(self.services, question, (), lambda _: found, reads=self.config.top_k)

    def _load(self, numbers: Sequence[int]) -> Mapping[int, Chunk]:
        return {number: self.chunks[number] for number in numbers}


@contextmanager
def opened(services: Services, records: Sequence[AskedPassageRecord], progress: Progress) -> Iterator[Bench]:
    """The passages in an index that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory() as folder,
        IndexStore.open(Path(folder), encoder_id="eval", dimension=services.models.ingest.dimension) as index,
    ):
        yield Bench(services, index, records, progress)


def figures(bench: Bench, passages: int, seed: int, progress: Progress) -> tuple[Figures, list[Judged]]:
    """The measures by what they are of, and every generated question with them."""
    judged: list[Judged] = []
    known: list[Known] = []
    chosen = _drawn(bench.records, passages, seed)
    for done, number in enumerate(chosen, start=1):
        record, chunk = bench.records[number], bench.chunks[number]
        judged.append(_judged(bench, record, chunk, [each.question for each in judged]))
        known += _known(bench, record.asked[0], chunk)
        progress("passages", done, len(chosen))
    return {"people's": _of_known(known), **_of_judged(judged)}, judged


def _chunk(number: int, record: AskedPassageRecord) -> Chunk:
    (chunk,) = own_chunks([EvalPassage(record.id, record.title, record.text)])
    return replace(chunk, chunk_id=number, document_id=number, collection_id=COLLECTION_ID)


def _drawn(records: Mapping[int, AskedPassageRecord], count: int, seed: int) -> list[int]:
    """Numbers of passages that people asked about, in an order that the seed fixes."""
    asked_about = [number for number, record in records.items() if record.asked]
    return sorted(asked_about, key=lambda n: hashlib.sha256(f"{seed} {n}".encode()).hexdigest())[:count]


def _judged(bench: Bench, record: AskedPassageRecord, chunk: Chunk, earlier: Sequence[str]) -> Judged:
    question = asked(bench.services, chunk)
    if not question:
        return Judged("", "", "no_question", {})
    drop: Drop | None = "duplicate" if repeats(question, earlier) else bench.drop(question, chunk)
    answer = said(bench.answer(question, in_prompt_order([chunk])))
    found = bench.search(question)
    rest = replace(found, hits=tuple(hit for hit in found.hits if hit.chunk != chunk))
    elsewhere = bench.answer(question, rest)
    ids = [hit.chunk.chunk_id for hit in found.hits]
    signs = {
        "answered by its passage": bool(answer) and normalize_answer(answer) in normalize_answer(chunk.text),
        "answer is new": bool(answer) and not says_nothing_new(question, answer),
        "asked for by people": max(f1(answer, each.answers) for each in record.asked) >= AGREES,
        f"found in the first {FIRST}": chunk.chunk_id in ids[:FIRST],
        "no other answer elsewhere": elsewhere.state == "refused" or same_answer(said(elsewhere), answer),
    }
    return Judged(question, answer, drop, {name: float(value) for name, value in signs.items()})


def _known(bench: Bench, person: AskedRecord, chunk: Chunk) -> Iterator[Known]:
    """A person's question with the passage that answers it, and with the first found that does not."""
    question = tidy(person.question)
    answer = said(bench.answer(question, in_prompt_order([chunk])))
    yield Known(bench.drop(question, chunk) is None, f1(answer, person.answers) >= AGREES)
    wanted = [normalize_answer(answer) for answer in person.answers]
    for hit in bench.search(question).hits:
        text = normalize_answer(hit.chunk.text)
        if hit.chunk != chunk and not any(answer in text for answer in wanted):
            yield Known(bench.drop(question, hit.chunk) is None, None)
            return


def _of_known(known: Sequence[Known]) -> dict[str, Interval]:
    own = [each for each in known if each.is_right is not None]
    return {
        "kept with their passage": _share(each.kept for each in own),
        "kept with a near miss": _share(each.kept for each in known if each.is_right is None),
        "answer right, of those kept": _share(bool(each.is_right) for each in own if each.kept),
        "answer right, of those dropped": _share(bool(each.is_right) for each in own if not each.kept),
    }


def _share(values: Iterable[bool]) -> Interval:
    return mean_interval([float(value) for value in values])


def _of_judged(judged: Sequence[Judged]) -> Figures:
    drops = [drop for drop in REASONS if any(each.drop == drop for each in judged)]
    shares = {"kept": _share(each.drop is None for each in judged)}
    shares |= {f"dropped_{drop}": _share(each.drop == drop for each in judged) for drop in drops}
    groups = {
        "all": judged,
        "kept": [each for each in judged if each.drop is None],
        "dropped": [each for each in judged if each.drop is not None],
    }
    return {"generated": shares} | {name: _signs(group) for name, group in groups.items()}


def _signs(judged: Sequence[Judged]) -> dict[str, Interval]:
    """The share of each sign; a line without a question has none."""
    names = dict.fromkeys(name for each in judged for name in each.signs)
    return {name: mean_interval([each.signs.get(name, 0.0) for each in judged]) for name in names}
