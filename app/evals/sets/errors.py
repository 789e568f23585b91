"""What can go wrong with eval sets."""

from __future__ import annotations

from app.errors import Conflict, InvalidRequest, NotFound


class EvalSetNotFound(NotFound):
    """There is no eval set 17."""

    code = "eval_set_not_found"
    default_next_step = "List sets with GET /v1/eval-sets."


class EvalSetEdited(Conflict):
    """A file changed after questions of its set were changed: reading it again would undo these changes."""

    code = "eval_set_edited"
    stage = "evals"
    default_next_step = "Run the file under another name; it becomes a set of its own."


class EvalCaseNotFound(NotFound):
    """There is no question 17 in an eval set."""

    code = "eval_case_not_found"
    default_next_step = "List the questions of a set with GET /v1/eval-sets/{id}/cases."


class EvalSetTooLarge(InvalidRequest):
    """A set holds more than the service takes."""

    code = "eval_set_too_large"
    stage = "evals"
    default_next_step = "Upload a part of it."
