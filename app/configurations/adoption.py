"""When a configuration may be put in force: after its difference to the one in force has been measured."""

from __future__ import annotations

from typing import Any

from app.configurations.schemas import Adopt
from app.errors import Conflict, InvalidRequest


class ComparisonRequired(Conflict):
    """A configuration is adopted only after it was compared with the one in force."""

    code = "comparison_required"
    stage = "evals"
    default_next_step = (
        "Run one eval set with both, then name baseline_run_id and candidate_run_id; "
        "or send force with a reason."
    )


def forced(body: Adopt) -> dict[str, Any]:
    """What is kept of an adoption without comparison; raises InvalidRequest when no reason is given."""
    if body.reason is None:
        raise InvalidRequest("A forced adoption needs a reason.", field="reason")
    return {"forced": True, "reason": body.reason}
