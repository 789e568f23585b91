"""The modes that write questions: follow-ups made standalone, and questions about passages."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Sequence

from model.train.answers.follow_ups import FollowUp, follow_ups
from model.train.answers.measures.bench import Bench, Row, rows_of
from model.train.answers.measures.cases import alone
from model.train.answers.measures.metrics import (
    Interval,
    difference,
    exact_match,
    f1,
    mean_interval,
    normalize_answer,
    share,
)
from model.train.answers.measures.reader import Answer

RECALL_AT = 5


def measure_rewrite(bench: Bench) -> list[Row]:
    """Follow-ups against the question that they were made from, and against leaving them as they are.

    The decoder's own line, without the product's checks of when to rewrite and what to trust.
    """
    made = follow_ups(bench.data.items, bench.data.chunks, bench.seed)
    chosen = random.Random(f"{bench.seed} rewrite").sample(made, min(bench.questions, len(made)))
    leaning = [each for each in chosen if each.last != each.standalone]
    standing = [each for each in chosen if each.last == each.standalone]
    written = bench.reader.rewritten([(each.earlier, each.last) for each in leaning])
    kept = bench.reader.rewritten([(each.earlier, each.last) for each in standing])
    unchanged = [exact_match(line, [each.last]) for line, each in zip(kept, standing, strict=True)]
    return [
        *rows_of("rewrite", "follow-ups", _rewriting(leaning, written)),
        *rows_of("rewrite", "follow-ups", _retrieval(bench, leaning, written)),
        Row("rewrite", "questions that stand alone", "left as they are", mean_interval(unchanged)),
    ]


def _rewriting(examples: Sequence[FollowUp], written: Sequence[str]) -> dict[str, Interval]:
    pairs = list(zip(written, examples, strict=True))
    after = [f1(line, [each.standalone]) for line, each in pairs]
    before = [f1(each.last, [each.standalone]) for each in examples]
    return {
        "F1": mean_interval(after),
        "F1 without rewriting": mean_interval(before),
        "F1 gained": difference(after, before),
        "exact match": mean_interval([exact_match(line, [each.standalone]) for line, each in pairs]),
        "exact match without rewriting": mean_interval(
            [exact_match(each.last, [each.standalone]) for each in examples]
        ),
    }


def _retrieval(bench: Bench, examples: Sequence[FollowUp], written: Sequence[str]) -> dict[str, Interval]:
    """Recall of the chunk that answers, by what is searched for."""
    golds: dict[str, set[int]] = defaultdict(set)
    for item in bench.data.items:
        golds[item.question].add(item.chunk)
    wanted = [golds[each.standalone] for each in examples]
    raw = _recalls(bench, [each.last for each in examples], wanted)
    rewritten = _recalls(bench, written, wanted)
    reference = _recalls(bench, [each.standalone for each in examples], wanted)
    return {
        f"recall@{RECALL_AT} of the follow-up": mean_interval(raw),
        f"recall@{RECALL_AT} of the rewriting": mean_interval(rewritten),
        f"recall@{RECALL_AT} of the reference": mean_interval(reference),
        f"recall@{RECALL_AT} gained": difference(rewritten, raw),
    }


def _recalls(bench: Bench, questions: Sequence[str], wanted: Sequence[Collection[int]]) -> list[float]:
    return [
        float(bench.index.finds(question, chunks, RECALL_AT))
        for question, chunks in zip(questions, wanted, strict=True)
    ]


def measure_ask(bench: Bench) -> list[Row]:
    """Questions about passages that people asked about too, answered again by the same answerer."""
    people = {item.chunk: item.question for item in reversed(bench.short())}
    chunks = sorted(people)
    questions = bench.reader.questions([bench.cases.shown(chunk) for chunk in chunks])
    wanted = [(chunk,) for chunk in chunks]
    measures = {
        **_round_trips(bench, questions, chunks),
        f"recall@{RECALL_AT}": mean_interval(_recalls(bench, questions, wanted)),
        f"recall@{RECALL_AT} of people's questions": mean_interval(
            _recalls(bench, [people[chunk] for chunk in chunks], wanted)
        ),
        "distinct": share(first_times(questions)),
    }
    return rows_of("ask", "passages", measures)


def _round_trips(bench: Bench, questions: Sequence[str], chunks: Sequence[int]) -> dict[str, Interval]:
    """An empty question counts as failed."""
    cases = [bench.cases.found(q, chunk, bench.passages) for q, chunk in zip(questions, chunks, strict=True)]
    lone = [alone(case, case.gold or 1) for case in cases]
    texts = [bench.data.chunks[chunk].text for chunk in chunks]
    measures = {}
    for name, asked in (("alone", lone), (f"among {bench.passages}", cases)):
        hits = [
            bool(case.question) and rests_on(answer, text, case.gold or 1)
            for case, answer, text in zip(asked, bench.reader.answers(asked), texts, strict=True)
        ]
        measures[f"round trip, passage {name}"] = share(hits)
    return measures


def rests_on(answer: Answer, text: str, number: int) -> bool:
    """The answer cites that passage and stands in its text, case, spaces and a last full stop aside."""
    words = " ".join(answer.text.casefold().split()).rstrip(".")
    return bool(words) and number in answer.cited and words in " ".join(text.casefold().split())


def first_times(questions: Sequence[str]) -> list[bool]:
    """For each question whether none before it is the same, normalised."""
    texts = [normalize_answer(question) for question in questions]
    return [text not in texts[:number] for number, text in enumerate(texts)]
