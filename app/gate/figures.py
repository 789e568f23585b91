"""What the product does with questions whose answers are known, at levels chosen on half of them.

Every question is searched and read for its score and sureness, which choose the level; then the questions of
the other half are asked: gate, answerer, checks. So the rates are of the whole way, not of the signals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.accounts.types import Account
from app.answers.evaluation import answer_case
from app.configurations.resolving import resolve
from app.evals.cases import Case
from app.evals.metrics import Interval
from app.gate import service
from app.gate.calibration import (
    GatePoint,
    Level,
    ScoredQuestion,
    halves,
    is_answered,
    lowest_level,
    point,
    share,
)
from app.services import Services
from retrieval.types import SearchResult

WANTED = (0.02, 0.05, 0.1, 0.2, 0.3)  # shares of false answers whose levels are shown


@dataclass(frozen=True, slots=True)
class Row:
    """A level, and what it does on both halves."""

    name: str
    level: Level
    fitted: GatePoint
    other: GatePoint


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of the other half's questions when they were asked at a level."""

    name: str
    level: Level
    false_answers: Interval
    false_refusals: Interval
    as_predicted: int  # questions that were answered or refused as score and sureness say


@dataclass(frozen=True, slots=True)
class Figures:
    rows: tuple[Row, ...]
    asked: tuple[Asked, ...]


def figures(
    services: Services,
    user: Account,
    collection_id: int,
    cases: Sequence[Case],
    wanted: float,
    told: service.Asked | None = None,
    show: Callable[[str], None] = lambda _: None,
) -> Figures:
    """The table of levels, and the defaults and the chosen level asked for real. Raises GateNotCalibrated.

    `show` gets each line as soon as it is known: asking takes longest, and comes last.
    """
    questions = service.scored(services, user, collection_id, cases[: service.MAX_QUESTIONS], told)
    try:
        fit, other = halves(questions)
    except ValueError as error:
        raise service.not_calibrated("of the file", error) from error
    default = default_level(services, user, fit)
    chosen = lowest_level(fit, wanted)
    named = {"default": default} | {
        f"at most {share:.0%}": lowest_level(fit, share) for share in sorted({*WANTED, wanted})
    }
    rows = [Row(name, level, point(fit, level), point(other, level)) for name, level in named.items()]
    for line in table(rows):
        show(line)
    by_key = {case.key: case for case in cases}
    asked = [
        ask_all(
            services, user, collection_id, name, level, [(by_key[each.key], each) for each in other], told
        )
        for name, level in (("default", default), (f"at most {wanted:.0%}", chosen))
    ]
    for line in asked_lines(asked):
        show(line)
    return Figures(tuple(rows), tuple(asked))


def default_level(services: Services, user: Account, questions: Sequence[ScoredQuestion]) -> Level:
    """What is in force where a collection says nothing."""
    with services.sessions() as session:
        config = resolve(session, user, services.settings)
    refuses = all(question.sureness is not None for question in questions)
    return Level(config.evidence_threshold, config.min_sureness if refuses else None)


def ask_all(
    services: Services,
    user: Account,
    collection_id: int,
    name: str,
    level: Level,
    questions: Sequence[tuple[Case, ScoredQuestion]],
    told: service.Asked | None,
) -> Asked:
    """Asks every question as a person would, at this level."""
    answered: dict[bool, list[bool]] = {True: [], False: []}
    predicted = 0
    for done, (case, scored) in enumerate(questions, start=1):
        is_answer = _is_answered(services, user, collection_id, case, level)
        answered[scored.answerable].append(is_answer)
        predicted += is_answer == is_answered(scored, level)
        if told is not None:
            told(done, len(questions))
    refused = [not each for each in answered[True]]
    return Asked(
        name,
        level,
        share(sum(answered[False]), len(answered[False])),
        share(sum(refused), len(refused)),
        predicted,
    )


def _is_answered(services: Services, user: Account, collection_id: int, case: Case, level: Level) -> bool:
    def search(_: str) -> SearchResult:
        found = service.found_for(services, user, collection_id, case)
        best = max((hit.rerank for hit in found.hits if hit.rerank is not None), default=None)
        return replace(
            found,
            best_score=best,
            threshold=level.threshold,
            enough_evidence=best is not None and best >= level.threshold,
            min_sureness=0.5 if level.min_sureness is None else level.min_sureness,
        )

    return answer_case(services, case.question, (), search).state == "answered"


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Levels for people, by the scores and surenesses of both halves."""
    yield "level                threshold  sureness  false answers, refusals: half that chose | other half"
    for row in rows:
        yield f"{_head(row.name, row.level)}  {_rates(row.fitted)} | {_rates(row.other)}"


def asked_lines(asked: Sequence[Asked]) -> Iterator[str]:
    """What came of asking."""
    yield "the other half asked: gate, answerer, checks"
    for each in asked:
        n = each.false_answers["n"] + each.false_refusals["n"]
        yield f"{_head(each.name, each.level)}  {_rates(each)}  as predicted {each.as_predicted} of {n}"


def _head(name: str, level: Level) -> str:
    sure = "-" if level.min_sureness is None else f"{level.min_sureness:.3f}"
    return f"{name:20} {level.threshold:9.3f}  {sure:>8}"


def _rates(found: GatePoint | Asked) -> str:
    return f"{_share(found.false_answers)}, {_share(found.false_refusals)}"


def _share(measured: Interval) -> str:
    if measured["value"] is None or measured["low"] is None or measured["high"] is None:
        return "-"
    return f"{measured['value']:.3f} [{measured['low']:.3f}, {measured['high']:.3f}]"
