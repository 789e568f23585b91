"""Which of two decoders writes an answer. Pure over what is known of the question.

The rule: a question goes to the larger decoder when it asks for it, or when it leaves the choice and its best
passage scores below a bound, where the small one errs most. An overloaded larger decoder takes nothing more:
the other one answers, and the answer's trace says so.
"""

from __future__ import annotations

from app.answers.types import GeneratorChoice, Route
from app.errors import AppError


class GeneratorUnknown(AppError):
    status_code = 422
    code = "generator_unknown"
    default_next_step = "Leave `generator` out, or set FOOTNOTE_LARGER_DECODER and restart."


def check_generator(choice: GeneratorChoice, has_larger: bool) -> None:
    """Raise GeneratorUnknown when a decoder is asked for that is not configured."""
    if choice == "larger" and not has_larger:
        raise GeneratorUnknown("There is no larger decoder.")


def route(
    choice: GeneratorChoice,
    best_score: float | None,
    *,
    larger_below: float,
    has_larger: bool,
    is_overloaded: bool,
) -> Route:
    """Where a question goes; raises GeneratorUnknown when it asks for a decoder that is not configured.

    `best_score` is the calibrated score of its best passage; without one the evidence counts as weak.
    """
    check_generator(choice, has_larger)
    if not has_larger:
        return Route()
    if choice == "default":
        return Route("default", "asked_for")
    weak = best_score is None or best_score < larger_below
    if choice == "auto" and not weak:
        return Route("default", "strong_evidence")
    if is_overloaded:
        return Route("default", "larger_overloaded")
    return Route("larger", "asked_for" if choice == "larger" else "weak_evidence")
