"""The three evals over scripted answerers, verdicts and the fake encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from app.errors import Overloaded
from app.evals.answers import evaluate_answers
from app.evals.claims import evaluate_claims
from app.evals.metrics import spread, spread_by_chance
from app.evals.positions import evaluate_positions
from app.evals.ranking import evaluate_retrieval
from app.evals.records import AnswerRecord, ClaimRecord, CorpusRecord, PassageRecord, QueryRecord
from app.evals.types import EvalAnswer, EvalPassage, Label
from retrieval.types import SearchConfig
from tests.fakes import hash_encode, overlap_score

PASSAGES = (
    PassageRecord(id="p1", text="The gate opens at six."),
    PassageRecord(id="p2", text="Lunch at noon."),
)


def silent(what: str, done: int, total: int) -> None:
    assert done <= total


def question(name: str, *, answerable: bool = True, gold: tuple[str, ...] = ("p1",)) -> AnswerRecord:
    return AnswerRecord(
        id=name,
        question=name,
        answers=("six",) if answerable else (),
        answerable=answerable,
        passages=PASSAGES,
        gold=gold if answerable else (),
    )


def scripted(name: str, passages: Sequence[EvalPassage] | None) -> EvalAnswer:
    assert passages == [EvalPassage("p1", "", PASSAGES[0].text), EvalPassage("p2", "", PASSAGES[1].text)]
    if name == "overload":
        raise Overloaded("The queue is full.")
    return {
        "right": EvalAnswer("Six. [1]", "answered", ("p1",), 1.0),
        "half": EvalAnswer("at six [1][2]", "answered", ("p1", "p2"), 2.0),
        "bare": EvalAnswer("noon", "answered", (), 3.0),
        "refused": EvalAnswer("six", "refused", ("p1",), 4.0),
        "invented": EvalAnswer("six [2]", "answered", ("p2",), 5.0),
        "silent": EvalAnswer("", "refused", (), 6.0),
    }[name]


def test_answers() -> None:
    records = [
        *(question(name) for name in ("right", "half", "bare", "refused", "overload")),
        question("invented", answerable=False),
        question("silent", answerable=False),
    ]
    measured = evaluate_answers(records, scripted, silent)
    assert {name: (m["value"], m["n"]) for name, m in measured.items() if name != "seconds_per_question"} == {
        "exact_match": (pytest.approx(1 / 5), 5),
        "f1": (pytest.approx((1 + 2 / 3) / 5), 5),
        "citation_precision": (pytest.approx((1 + 1 / 2) / 2), 2),
        "citation_recall": (pytest.approx(2 / 5), 5),
        "refused_when_unanswerable": (pytest.approx(1 / 2), 2),
        "refused_when_answerable": (pytest.approx(1 / 5), 5),
        "answered_with_citation": (pytest.approx(3 / 4), 4),
        "failed": (pytest.approx(1 / 7), 7),
    }
    assert measured["seconds_per_question"]["value"] == pytest.approx(21 / 7, abs=0.01)


def test_records_without_passages_are_asked_of_the_index() -> None:
    seen: list[object] = []

    def answer(_: str, passages: Sequence[EvalPassage] | None) -> EvalAnswer:
        seen.append(passages)
        return EvalAnswer("six", "answered", (), 0.1)

    record = AnswerRecord(id="1", question="When?", answers=("six",), answerable=True)
    measured = evaluate_answers([record], answer, silent)
    assert seen == [None]
    assert measured["exact_match"]["value"] == 1.0
    assert measured["citation_recall"] == {"value": None, "low": None, "high": None, "n": 0}


def test_claims() -> None:
    def verdict(claim: str, passages: Sequence[str]) -> tuple[Label, float]:
        assert passages == ("evidence",)
        return ("supported", 0.9) if claim.startswith("yes") else ("not_supported", 0.2)

    labels: list[tuple[str, Label]] = [
        ("yes 1", "supported"),
        ("yes 2", "contradicted"),
        ("no 1", "not_supported"),
        ("no 2", "contradicted"),
    ]
    records = [ClaimRecord(id=c, claim=c, passages=("evidence",), label=label) for c, label in labels]
    measured = evaluate_claims(records, verdict, silent)
    assert {name: interval["value"] for name, interval in measured.items()} == {
        "balanced_accuracy": pytest.approx((1 + 2 / 3) / 2),
        "accuracy_3": pytest.approx(1 / 2),
        "calibration_error": pytest.approx((2 * 0.4 + 2 * 0.2) / 4),
    }


def test_retrieval_measures_every_stage_on_the_products_search() -> None:
    corpus = [
        CorpusRecord(id="gate", text="The north gate opens at six."),
        CorpusRecord(id="canteen", title="Canteen", text="It opens at eight and closes at three."),
        CorpusRecord(id="invoices", text="Invoices are paid within thirty days."),
    ]
    queries = [QueryRecord(id="q1", text="north gate"), QueryRecord(id="q2", text="Canteen invoices")]
    judgements = {"q1": {"gate": 1}, "q2": {"canteen": 1}, "not asked": {"gate": 1}}

    def prefers_the_canteen(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        return overlap_score(pairs) + np.array([0.5 * ("Canteen" in text) for _, text in pairs])

    measured = evaluate_retrieval(
        corpus, queries, judgements, hash_encode, prefers_the_canteen, SearchConfig(), silent
    )
    assert set(measured) == {"dense", "bm25", "fused", "reranked"}
    for stage, by_measure in measured.items():
        assert set(by_measure) == {"ndcg@10", "recall@10", "recall@50"}
        assert by_measure["recall@50"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}, stage
    assert measured["reranked"]["ndcg@10"]["value"] == 1.0


def test_a_worse_reranker_shows_in_its_own_stage_only() -> None:
    corpus = [CorpusRecord(id=str(n), text=f"word{n} shared") for n in range(20)]
    queries = [QueryRecord(id="q", text="word3 shared")]

    def backwards(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        return 1 - overlap_score(pairs)

    config = SearchConfig(rerank_k=5, top_k=1)
    measured = evaluate_retrieval(corpus, queries, {"q": {"3": 1}}, hash_encode, backwards, config, silent)
    values = {stage: by_measure["ndcg@10"]["value"] for stage, by_measure in measured.items()}
    assert values["bm25"] == values["fused"] == 1.0
    assert values["reranked"] == pytest.approx(1 / np.log2(6))
    assert measured["reranked"]["recall@50"]["value"] == 1.0


def test_positions_move_the_right_passage_and_nothing_else() -> None:
    """An answerer that reads only the first half of its prompt."""
    passages = tuple(PassageRecord(id=f"p{n}", text=f"Text {n}.") for n in range(10))
    records = [
        AnswerRecord(
            id=f"q{n}", question="When?", answers=("six",), answerable=True, passages=passages, gold=("p4",)
        )
        for n in range(3)
    ]
    fewer = AnswerRecord(
        id="few", question="When?", answers=("six",), answerable=True, passages=passages[:2], gold=("p1",)
    )
    seen: list[list[str]] = []

    def forgetful(asked: str, given: Sequence[EvalPassage] | None) -> EvalAnswer:
        assert given is not None
        order = [passage.id for passage in given]
        seen.append(order)
        assert [name for name in order if name != "p4"] == [f"p{n}" for n in range(10) if n != 4]
        found = order.index("p4") < 5
        return EvalAnswer("six" if found else "", "answered" if found else "refused", (), 1.0)

    measured = evaluate_positions([*records, fewer, question("none", answerable=False)], forgetful, silent)
    assert [order.index("p4") for order in seen[:5]] == [0, 2, 4, 7, 9]
    assert measured["f1_at_1_of_10"]["value"] == 1.0
    assert measured["f1_at_10_of_10"]["value"] == 0.0
    assert measured["best_minus_worst"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 3}
    by_chance = measured["best_minus_worst_by_chance"]
    assert by_chance["value"] < 1.0
    assert len(measured) == 7


def test_places_that_make_no_difference_differ_by_chance_alone() -> None:
    scores = np.random.default_rng(3).integers(0, 2, (200, 5)).astype(float)
    found, by_chance = spread(scores)["value"], spread_by_chance(scores)
    assert by_chance["low"] < found < by_chance["high"]
    worse = np.column_stack([scores[:, :4], scores[:, 4] * 0.5])
    assert spread(worse)["value"] > spread_by_chance(worse)["high"]


def test_positions_of_nothing() -> None:
    assert evaluate_positions([], scripted, silent) == {}
