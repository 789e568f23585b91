"""The judge's figures beside ours, and how far the two agree. Ours are never replaced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.evals.cases import Case
from app.evals.judging.client import Judge
from app.evals.judging.prompt import PROMPT_VERSION
from app.evals.metrics import Interval, bootstrap
from app.evals.runs.types import StoredResult, UnitResult
from app.evals.types import CaseAnswer

RIGHT_F1 = 0.5  # from which on our own measure counts an answer as right
PAIRS = (("judge_correct", "f1", RIGHT_F1), ("judge_grounded", "supported_claims", 1.0))


def judged(judge: Judge, case: Case, answer: CaseAnswer, result: UnitResult) -> UnitResult:
    """The result with the judge's scores; as it is where nothing was answered or nothing can be judged."""
    references = case.answers if case.answerable else ()
    passages = [chunk.text for chunk in answer.cited]
    if answer.state != "answered" or not (references or passages):
        return result
    found = judge.judge(answer.standalone_question, answer.text, references, passages)
    scores = {
        "judge_unscorable": float(found.verdict is None),
        "judge_prompt_tokens": float(found.prompt_tokens),
        "judge_answer_tokens": float(found.reply_tokens),
    }
    told = {"model": judge.model, "prompt_version": PROMPT_VERSION, "tries": found.tries}
    if found.verdict is None:
        told["reason"] = found.reason or ""
    else:
        if found.verdict.correctness is not None:
            scores["judge_correct"] = float(found.verdict.correctness == "correct")
        if found.verdict.groundedness is not None:
            scores["judge_grounded"] = float(found.verdict.groundedness == "grounded")
        told |= found.verdict.model_dump()
    return UnitResult(result.outcome, result.scores | scores, result.detail | {"judge": told})


def agreement(results: Sequence[StoredResult]) -> dict[str, Interval]:
    """Cohen's kappa (1960) of the judge and our own measure, by each thing that both judged."""
    found: dict[str, Interval] = {}
    for theirs, ours, from_ in PAIRS:
        both = [row.scores for row in results if theirs in row.scores and ours in row.scores]
        pairs = np.array([(row[theirs] == 1.0, row[ours] >= from_) for row in both], dtype=bool).reshape(
            -1, 2
        )
        if len(pairs):
            found[f"{theirs}_kappa"] = _kappa_interval(pairs)
    return found


def _kappa_interval(pairs: np.ndarray) -> Interval:
    return bootstrap(len(pairs), lambda rows: kappa(pairs[rows]))


def kappa(pairs: np.ndarray) -> float:
    """Agreement beyond chance of pairs bool [N, 2]; NaN where both say one and the same of all."""
    observed = float((pairs[:, 0] == pairs[:, 1]).mean())
    first, second = pairs.mean(axis=0)
    by_chance = float(first * second + (1 - first) * (1 - second))
    return float("nan") if by_chance == 1.0 else (observed - by_chance) / (1 - by_chance)
