"""How many generated questions were dropped unread, and why."""

from __future__ import annotations

from collections.abc import Mapping

from ui.eval_schemas import Interval
from ui.text import counted

WHY = {
    "no_question": "no question was written",
    "too_short": "too short",
    "names_the_text": "about \u201cthe passage\u201d",
    "points_outside": "about a \u201che\u201d or \u201cthis study\u201d that is not named",
    "not_answered": "not answered by the passage",
    "says_nothing_new": "answered with their own words",
    "not_in_passage": "answer not in the passage",
    "not_found": "not answered back alike by search and answerer",
    "duplicate": "like another question of the set",
}


def dropped(measures: Mapping[str, Interval]) -> str:
    """`12 questions kept of 20 passages; dropped: 5 too short, 3 like another question of the set.`"""
    kept = measures.get("kept")
    if kept is None or kept.value is None:
        return ""
    counts = {
        why: round(found.value * found.n)
        for name, why in WHY.items()
        if (found := measures.get(f"dropped_{name}")) is not None and found.value
    }
    head = f"{counted(round(kept.value * kept.n), 'question')} kept of {counted(kept.n, 'passage')}"
    listed = ", ".join(f"{count} {why}" for why, count in counts.items())
    return f"{head}; dropped: {listed}." if listed else f"{head}."
