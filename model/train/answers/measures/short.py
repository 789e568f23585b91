"""Short answers: right and cited where a passage answers, wherever it stands; refused where none does."""

from __future__ import annotations

from collections.abc import Sequence

from model.train.answers.measures.bench import (
    Bench,
    Row,
    answer_measures,
    by_source,
    citation_measures,
    f1_scores,
    rows_of,
)
from model.train.answers.measures.cases import Case, can_be_absent, untitled
from model.train.answers.measures.metrics import (
    difference,
    mean_interval,
    share,
    spread,
    spread_by_chance,
)
from model.train.answers.measures.reader import Answer

PLACES = (1, 3, 5, 8, 10)


def measure_short(bench: Bench) -> list[Row]:
    """The passage that answers among hard ones, behind titles and without them."""
    cases = [bench.cases.among(item, bench.passages) for item in bench.short()]
    bare = [untitled(case) for case in cases]
    rows: list[Row] = []
    scores = []
    for form, asked in (("titles", cases), ("no titles", bare)):
        answers = bench.reader.answers(asked)
        scores.append(f1_scores(asked, answers))
        for source, group in by_source(asked, answers).items():
            rows += rows_of("short", f"{source}, {form}", answer_measures(*group))
    return [*rows, Row("short", "titles minus no titles", "F1", difference(*scores))]


def measure_unanswerable(bench: Bench) -> list[Row]:
    """The same kind of question with every passage that holds its answer taken away."""
    cases = [bench.cases.without(item, bench.passages) for item in bench.short(can_be_absent)]
    answers = bench.reader.answers(cases)
    rows: list[Row] = []
    for form, given in (("calibrated", answers), ("no bias", _uncalibrated(bench, cases, answers))):
        for source, group in by_source(cases, given).items():
            refused = share([answer.refused for answer in group[1]])
            rows.append(Row("unanswerable", f"{source}, {form}", "refused", refused))
    return rows


def _uncalibrated(bench: Bench, cases: Sequence[Case], calibrated: Sequence[Answer]) -> list[Answer]:
    """The answers without the bias, which is only asked for where the bias can have changed the answer.

    Above 0 it can only have made refusals, below 0 only prevented them.
    """
    if bench.reader.bias is None or bench.reader.bias[1] == 0:
        return list(calibrated)
    pushes_to_refuse = bench.reader.bias[1] > 0
    open_cases = [n for n, answer in enumerate(calibrated) if answer.refused == pushes_to_refuse]
    asked = bench.reader.answers([cases[n] for n in open_cases], calibrated=False)
    changed = dict(zip(open_cases, asked, strict=True))
    return [changed.get(number, answer) for number, answer in enumerate(calibrated)]


def measure_position(bench: Bench) -> list[Row]:
    """F1 with the passage that answers at each place of ten; questions with fewer passages are left out."""
    most = PLACES[-1]
    sweeps = [list(bench.cases.at_places(item, most, PLACES)) for item in bench.short()]
    cases = [case for sweep in sweeps for case in sweep]
    scores = f1_scores(cases, bench.reader.answers(cases))
    columns = [scores[place :: len(PLACES)] for place in range(len(PLACES))]
    rows = [
        Row("position", f"place {place} of {most}", "F1", mean_interval(column))
        for place, column in zip(PLACES, columns, strict=True)
    ]
    return [
        *rows,
        Row("position", "best minus worst place", "F1", spread(columns)),
        Row("position", "the same if places made no difference", "F1", spread_by_chance(columns)),
    ]


def measure_masks(bench: Bench) -> list[Row]:
    """The same prompts under both masks."""
    cases = [bench.cases.among(item, bench.passages) for item in bench.short()]
    rows: list[Row] = []
    scores = {}
    for mask in ("full", "block"):
        answers = bench.reader.answers(cases, mask=mask)
        scores[mask] = f1_scores(cases, answers)
        measures = {"F1": mean_interval(scores[mask]), **citation_measures(cases, answers)}
        measures["refused"] = share([answer.refused for answer in answers])
        rows += rows_of("masks", f"{mask} mask", measures)
    return [*rows, Row("masks", "block minus full", "F1", difference(scores["block"], scores["full"]))]
