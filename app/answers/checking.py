"""From the words of an answer to its footnotes, verdicts and state."""

from __future__ import annotations

from app.answers.claims import checked_claims, grounding_state, without_stray_markers, without_unsupported
from app.answers.conflicts import find_conflicts
from app.answers.grounding import check, split_claims, with_markers
from app.answers.quotes import check_quotes
from app.answers.timing import timed
from app.answers.types import Draft
from app.services import Services


def ground(services: Services, draft: Draft) -> None:
    """Footnotes for every claim of the draft, and what is known of each; no claim at all leaves none."""
    if draft.prompt is None:
        raise ValueError("pack the prompt before grounding")
    question, passages = draft.standalone_question, draft.prompt.passages
    with timed(draft, "check"):
        draft.answer = without_stray_markers(draft.answer)
        footnotes = check(question, split_claims(draft.answer), passages, services.models.verify)
        if services.settings.unsupported_claims == "remove":
            draft.answer, footnotes, draft.removed_claims = without_unsupported(draft.answer, footnotes)
        draft.answer, placed = with_markers(draft.answer, footnotes)
        draft.footnotes = tuple(placed)
        draft.claims = checked_claims(placed)
        draft.quotes = tuple(check_quotes(question, draft.answer, placed, passages))
        draft.conflicts = tuple(find_conflicts(question, placed, draft.sources, services.models.verify))
    draft.grounding = grounding_state(draft.claims, draft.quotes)
