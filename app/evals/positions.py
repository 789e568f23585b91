"""Does it matter where in the prompt the right passage stands? (Lost in the middle, Liu et al., 2023.)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.evals.metrics import Interval, f1, mean_interval, spread, spread_by_chance
from app.evals.records import AnswerRecord, PassageRecord
from app.evals.types import AnswerFn, EvalPassage, Progress

MOST_POSITIONS = 5


def evaluate_positions(
    records: Sequence[AnswerRecord], answer_fn: AnswerFn, progress: Progress
) -> dict[str, Interval]:
    """F1 with the gold passage at up to five places, first to last, and the best place minus the worst.

    The last is told beside what it would be if places made no difference.

    `answer_fn` must keep the order of the passages. Records without a gold passage are left out, and so are
    those with fewer passages than most: places could not be compared.
    """
    usable = [record for record in records if record.answerable and record.answers and _gold(record)]
    count = max((len(record.passages or ()) for record in usable), default=0)
    usable = [record for record in usable if len(record.passages or ()) == count]
    places = positions(count)
    scores = np.zeros((len(usable), len(places)))
    for row, record in enumerate(usable):
        for column, place in enumerate(places):
            answer = answer_fn(record.question, _ordered(record, place))
            scores[row, column] = f1(answer.text if answer.state == "answered" else "", record.answers)
        progress("positions", row + 1, len(usable))
    measured = {
        f"f1_at_{place + 1}_of_{count}": mean_interval(scores[:, column].tolist())
        for column, place in enumerate(places)
    }
    if places:
        measured["best_minus_worst"] = spread(scores)
        measured["best_minus_worst_by_chance"] = spread_by_chance(scores)
    return measured


def positions(count: int) -> list[int]:
    """Places 0..count-1, first and last among them, evenly spread."""
    steps = min(count, MOST_POSITIONS)
    return sorted({round(step * (count - 1) / max(steps - 1, 1)) for step in range(steps)})


def _gold(record: AnswerRecord) -> list[PassageRecord]:
    return [passage for passage in record.passages or () if passage.id in record.gold]


def _ordered(record: AnswerRecord, place: int) -> list[EvalPassage]:
    """The record's passages with the first gold one moved to a place."""
    gold = _gold(record)[0]
    others = [passage for passage in record.passages or () if passage is not gold]
    chosen = [*others[:place], gold, *others[place:]]
    return [EvalPassage(passage.id, passage.title, passage.text) for passage in chosen]
