"""Scores of one question, of a run, and of two runs: by hand, and against other implementations."""

from __future__ import annotations

import itertools
from typing import Any

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, nDCG

from app.evals.cases import Case, Gold
from app.evals.gold import Candidate, holds, holds_quote
from app.evals.runs.comparing import case_differences, changed, count_questions, measures, pairs
from app.evals.runs.paired import difference, mcnemar, permutation
from app.evals.runs.scoring import answer_scores, failure_scores, retrieval_scores, why_unscorable
from app.evals.runs.summary import summarise, summarise_sweep
from app.evals.runs.types import StoredResult
from app.evals.types import CaseAnswer, Outcome
from retrieval.types import Chunk

ANSWER = CaseAnswer("answered", "Six [1]", "When?", (), 0.9, claims=(("Six", True), ("Noon", False)))


def chunk(
    chunk_id: int, text: str = "", *, file: str = "a.pdf", pages: tuple[int, int] | None = None
) -> Chunk:
    first, last = pages or (None, None)
    return Chunk(chunk_id, 7, 1, text, file, 0, len(text), first, last, (), 1)


def case(*golds: Gold, **values: Any) -> Case:
    return Case(
        **{"key": "q", "question": "When?", "answerable": True, "answers": ("six",), **values}, gold=golds
    )


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        (Gold(file="a.pdf"), True),
        (Gold(file="b.pdf"), False),
        (Gold(document_id=7, file="renamed.pdf"), True),
        (Gold(document_id=8, file="a.pdf"), False),
        (Gold(file="a.pdf", page=3), True),
        (Gold(file="a.pdf", page=5), False),
        (Gold(file="a.pdf", page=3, quote="opens  at SIX"), True),
        (Gold(file="a.pdf", quote="closes at six"), False),
        (Gold(id="7"), False),
    ],
)
def test_a_gold_is_held_by_its_place_and_words(gold: Gold, expected: bool) -> None:
    found = Candidate(chunk(1, "The gate opens at six.", pages=(2, 4)), None)
    assert holds(gold, found) is expected


def test_a_quote_through_which_the_cut_between_chunks_goes() -> None:
    quote = "one two three four five six seven"
    assert holds_quote(quote, "zero one two three four")
    assert holds_quote(quote, "four five six seven eight")
    assert not holds_quote(quote, "five six seven eight")
    assert not holds_quote("five six seven", "six seven eight")


def test_ranking_scores_are_those_of_ir_measures() -> None:
    """Graded judgements over random rankings, against ir-measures on the same lists."""
    random = np.random.default_rng(5)
    for number in range(40):
        grades = {f"d{i}": int(g) for i, g in enumerate(random.integers(0, 3, 8))}
        order = [f"d{i}" for i in random.permutation(30)[:12]]
        golds = [Gold(id=key, grade=grade) for key, grade in grades.items()]
        found = [Candidate(chunk(position), key) for position, key in enumerate(order)]
        scored = retrieval_scores(case(*golds, key=f"q{number}"), found)
        relevant = {key: grade for key, grade in grades.items() if grade}
        run = {"q": {key: float(-rank) for rank, key in enumerate(order)}}
        wanted = ir_measures.calc_aggregate([R @ 1, R @ 5, R @ 10, nDCG @ 10, RR @ 10], {"q": relevant}, run)
        assert scored == {str(m).lower().replace("r@", "recall@").replace("rrecall", "mrr"): pytest.approx(v)
                          for m, v in wanted.items()}  # fmt: skip


def test_two_passages_of_one_gold_count_once_and_one_passage_of_two_golds_twice() -> None:
    golds = (Gold(file="a.pdf", quote="opens at six"), Gold(file="a.pdf", quote="closes at nine"))
    both = Candidate(chunk(1, "It opens at six and closes at nine."), None)
    again = Candidate(chunk(2, "Again: opens at six."), None)
    scores = retrieval_scores(case(*golds), [both, again])
    assert (scores["recall@5"], scores["ndcg@10"], scores["mrr@10"]) == (1.0, pytest.approx(1.0), 1.0)
    assert retrieval_scores(case(*golds), [again, again])["recall@10"] == 0.5
    assert retrieval_scores(case(), [both]) == {}


def test_scores_of_an_answer() -> None:
    right, wrong = Candidate(chunk(1), "a"), Candidate(chunk(2), "b")
    timed = CaseAnswer(
        "answered", "six [1]", "When?", (), 0.9, claims=ANSWER.claims,
        timings_ms={"total": 900.0, "search": 100.0, "first_token": 50.0}, tokens={"prompt": 80, "answer": 2},
    )  # fmt: skip
    assert answer_scores(case(Gold(id="a"), Gold(id="c")), timed, [right, wrong]) == {
        "false_refusals": 0.0,
        "failed": 0.0,
        "seconds": 0.9,
        "first_token_seconds": pytest.approx(0.15),
        "prompt_tokens": 80.0,
        "answer_tokens": 2.0,
        "exact_match": 1.0,
        "f1": 1.0,
        "citation_recall": 0.5,
        "citation_precision": 0.5,
        "answered_with_citation": 1.0,
        "supported_claims": 0.5,
    }


def test_refusals_count_against_answerable_questions_only() -> None:
    refused = CaseAnswer("refused", "six", "When?", (), 0.1)
    scores = answer_scores(case(Gold(id="a")), refused, [Candidate(chunk(1), "a")])
    assert (scores["false_refusals"], scores["f1"], scores["citation_recall"]) == (1.0, 0.0, 0.0)
    assert "citation_precision" not in scores
    assert "supported_claims" not in scores
    unanswerable = case(answerable=False, answers=())
    assert answer_scores(unanswerable, refused, [])["false_answers"] == 0.0
    assert answer_scores(unanswerable, ANSWER, [])["false_answers"] == 1.0
    assert failure_scores(case()) == {"failed": 1.0, "exact_match": 0.0, "f1": 0.0}


def test_what_nobody_can_judge_is_said() -> None:
    assert why_unscorable(case()) is None
    assert why_unscorable(case(answerable=False, answers=())) is None
    assert "not said" in str(why_unscorable(case(answerable=None)))
    assert "neither" in str(why_unscorable(case(answers=())))
    assert why_unscorable(case(Gold(id="a"), answers=())) is None


def result(key: str, variant: str = "", outcome: Outcome = "scored", **scores: float) -> StoredResult:
    return StoredResult(key, variant, f"{key}?", outcome, scores, {})


def test_a_summary_is_the_same_in_whatever_order_questions_were_asked() -> None:
    rows = [result(str(n), f1=n / 10, seconds=1.0) for n in range(10)] + [result("x", outcome="unscorable")]
    measured = summarise(rows)
    assert measured == summarise(rows[::-1])
    assert list(measured) == ["f1", "seconds", "unscorable"]
    assert (measured["f1"]["value"], measured["f1"]["n"]) == (pytest.approx(0.45), 10)
    assert (measured["unscorable"]["value"], measured["unscorable"]["n"]) == (pytest.approx(1 / 11), 11)


def test_a_sweep_compares_questions_that_were_asked_in_all_variants() -> None:
    asked = (("a", "0", 1.0), ("a", "10", 0.5), ("b", "0", 1.0), ("b", "10", 1.0), ("c", "0", 1.0))
    rows = [result(key, variant, f1=score) for key, variant, score in asked]
    measured = summarise_sweep(rows, ("0", "10"), "with")
    values = {name: (interval["value"], interval["n"]) for name, interval in measured.items()}
    assert values == {
        "f1_with_0": (1.0, 2),
        "f1_with_10": (0.75, 2),
        "best_minus_worst": (0.25, 2),
        "best_minus_worst_by_chance": (0.25, 2),  # whichever way the second question's scores are put
        "lost_to_noise": (0.25, 2),
        "unscorable": (pytest.approx(1 / 3), 3),
    }
    assert summarise_sweep([], ("0", "10"), "with")["best_minus_worst"]["value"] is None


def test_mcnemar_is_the_exact_sign_test() -> None:
    def rows(gained: int, lost: int, both: int) -> tuple[np.ndarray, np.ndarray]:
        first = [0.0] * gained + [1.0] * lost + [1.0] * both
        second = [1.0] * gained + [0.0] * lost + [1.0] * both
        return np.array(first), np.array(second)

    # 2 * P(X <= 1) for X ~ Binomial(9, 1/2) = 2 * 10 / 512
    assert mcnemar(*rows(8, 1, 30)) == pytest.approx(20 / 512)
    assert mcnemar(*rows(1, 8, 0)) == pytest.approx(20 / 512)
    assert mcnemar(*rows(4, 4, 9)) == 1.0
    assert mcnemar(*rows(0, 0, 9)) == 1.0
    assert mcnemar(*rows(9000, 9400, 0)) == pytest.approx(0.0033, abs=0.0005)


def test_the_permutation_test_agrees_with_all_permutations() -> None:
    deltas = np.array([0.3, 0.1, -0.05, 0.2, 0.4, 0.15, -0.1, 0.25])
    every = [abs(np.dot(signs, deltas)) for signs in itertools.product((-1, 1), repeat=len(deltas))]
    exact = np.mean([value >= abs(deltas.sum()) - 1e-12 for value in every])
    assert permutation(deltas) == pytest.approx(exact, abs=0.01)
    assert permutation(deltas) == permutation(deltas)
    assert permutation(np.zeros(5)) == 1.0


def test_a_difference_says_its_test_and_whether_it_is_significant() -> None:
    rates = difference([0.0] * 10 + [1.0] * 10, [1.0] * 20)
    assert rates is not None
    assert (rates["test"], rates["delta"]["value"], rates["significant"]) == ("mcnemar", 0.5, True)
    means = difference([0.2, 0.4, 0.6], [0.2, 0.5, 0.6])
    assert means is not None
    assert (means["test"], means["significant"]) == ("permutation", False)
    assert difference([], []) is None


def test_a_comparison_pairs_questions_and_puts_what_changed_first() -> None:
    before = [
        result("a", f1=1.0),
        result("b", f1=0.0),
        result("c", f1=0.5),
        result("d", outcome="unscorable"),
    ]
    after = [result("c", f1=0.5), result("b", f1=1.0), result("a", f1=0.0), result("e", f1=1.0)]
    paired = pairs(before, after)
    assert [(row.key, row.change) for row in case_differences(paired)] == [
        ("a", "worse"), ("b", "better"), ("c", "same"),
    ]  # fmt: skip
    assert measures(paired)["f1"].better is None
    worse = pairs(
        [result(str(n), false_answers=0.0) for n in range(12)],
        [result(str(n), false_answers=1.0) for n in range(12)],
    )
    assert measures(worse)["false_answers"].better is False
    assert case_differences(worse)[0].change == "worse"


def test_a_key_that_names_another_question_now_is_no_pair() -> None:
    moved = StoredResult("line-1", "", "Who sings?", "scored", {"f1": 1.0}, {})
    before = [result("line-1", f1=0.0), result("line-2", f1=1.0)]
    paired = pairs(before, [moved, result("line-2", f1=1.0)])
    assert [old.key for old, _ in paired] == ["line-2"]
    assert count_questions([*before, moved]) == 3


def test_the_variants_of_a_question_count_as_one() -> None:
    variants = [str(number) for number in range(7)]
    keys = "abcde"
    before = [result(key, variant, f1=0.0) for key in keys for variant in variants]
    after = [result(key, variant, f1=1.0) for key in keys for variant in variants]
    paired = pairs(before, after)
    assert (len(paired), count_questions(after)) == (35, 5)
    found = measures(paired)["f1"]
    assert (found.delta["n"], found.test, found.p) == (5, "mcnemar", pytest.approx(2 / 2**5))
    assert not found.significant
    after[0] = result("a", "0", f1=0.3)  # no rate any more: McNemar's test wants 0 and 1
    mixed = measures(pairs(before, after))["f1"]
    assert (mixed.test, mixed.candidate) == ("permutation", pytest.approx((4 + 6.3 / 7) / 5))


def test_configurations_differ_by_path() -> None:
    assert changed({"a": 1, "s": {"k": 2, "j": 3}}, {"a": 1, "s": {"k": 4, "j": 3}, "b": 5}) == {
        "s.k": [2, 4],
        "b": [None, 5],
    }
