"""What can go wrong with runs of the evals."""

from __future__ import annotations

from app.errors import Conflict, InvalidRequest


class EvalRunState(Conflict):
    """The run's state does not allow this."""

    code = "eval_run_state"
    stage = "evals"
    default_next_step = "Read the run with GET /v1/evals/{id}."


class EvalRunChanged(Conflict):
    """The models or settings are not those that the run began with."""

    code = "eval_run_changed"
    stage = "evals"
    default_next_step = "Start a new run: half of one and half of another cannot be told apart."


class NothingToAsk(InvalidRequest):
    """A set has no question that a run could ask."""

    code = "nothing_to_ask"
    stage = "evals"
    default_next_step = "Add questions, or review those that wait."


class RunsNotComparable(InvalidRequest):
    """Two runs cannot be compared."""

    code = "runs_not_comparable"
    stage = "evals"
    default_next_step = "Name two finished runs of the same kind on the same set."


class JudgeNotConfigured(InvalidRequest):
    """A run names a judge that is not the configured one, or for a kind that nobody judges."""

    code = "judge_not_configured"
    stage = "evals"
    default_next_step = "Set FOOTNOTE_JUDGE_BASE_URL and FOOTNOTE_JUDGE_MODEL, and name that model."


class SweepImpossible(InvalidRequest):
    """The decoder reads too few passages for a sweep."""

    code = "sweep_impossible"
    stage = "evals"
    default_next_step = "Use a decoder with an answerer adapter."
