"""A set as the JSON lines that it can be uploaded from again."""

from __future__ import annotations

import json
from collections.abc import Sequence

from app.evals.cases import Case


def as_jsonl(cases: Sequence[Case]) -> str:
    """One line a question; empty fields are left out."""
    return "".join(json.dumps(_line(case), ensure_ascii=False) + "\n" for case in cases)


def _line(case: Case) -> dict[str, object]:
    values = case.model_dump(mode="json", exclude_none=True)
    values["id"] = values.pop("key")
    kept = ("id", "question", "history", "answers", "answerable", "gold", "passages", "tags")
    return {name: values[name] for name in kept if name in values and values[name] != []}
