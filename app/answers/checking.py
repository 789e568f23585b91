"""From the words of an answer to its footnotes and verdicts."""

from __future__ import annotations

from app.answers.grounding import check, split_claims, with_markers
from app.answers.timing import timed
from app.answers.types import Draft
from app.services import Services


def ground(services: Services, draft: Draft) -> None:
    """Footnotes for every claim of the draft; no claim at all leaves none."""
    if draft.prompt is None:
        raise ValueError("pack the prompt before grounding")
    with timed(draft, "check"):
        claims = split_claims(draft.answer)
        footnotes = check(draft.standalone_question, claims, draft.prompt.passages, services.models.verify)
        draft.answer, placed = with_markers(draft.answer, footnotes)
        draft.footnotes = tuple(placed)
