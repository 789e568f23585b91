"""When a configuration may be put in force: after its difference to the one in force has been measured."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.configurations.resolving import resolve
from app.configurations.schemas import Adopt
from app.configurations.tables import SearchConfiguration
from app.errors import Conflict, InvalidRequest
from app.evals.runs import service as runs
from app.evals.schemas import Comparison
from app.settings import Settings

COMPARED = ("answers", "retrieval")
"""Kinds of runs that say something about a search configuration."""


class ComparisonRequired(Conflict):
    """A configuration is adopted only after it was compared with the one in force."""

    code = "comparison_required"
    stage = "evals"
    default_next_step = (
        "Run one eval set with both, then name baseline_run_id and candidate_run_id; "
        "or send force with a reason."
    )


def grounds(
    session: Session, user: Account, settings: Settings, row: SearchConfiguration, body: Adopt
) -> dict[str, Any]:
    """What the adoption rests on: the comparison of two runs, or a reason for doing without.

    Raises ComparisonRequired unless the runs are of what is in force now and of this configuration, and
    InvalidRequest when nothing is said at all about why it is forced.
    """
    if body.force:
        if body.reason is None:
            raise InvalidRequest("A forced adoption needs a reason.", field="reason")
        return {"forced": True, "reason": body.reason}
    if body.baseline_run_id is None or body.candidate_run_id is None:
        raise ComparisonRequired("This configuration was not compared with the one in force.")
    current = asdict(resolve(session, user, settings))
    _require_config(session, user, body.baseline_run_id, current, "the configuration in force")
    _require_config(session, user, body.candidate_run_id, row.config, f"the configuration {row.name!r}")
    compared = runs.compare(session, user, body.baseline_run_id, body.candidate_run_id)
    return {"forced": False, "reason": body.reason, **_kept(compared)}


def _require_config(session: Session, user: Account, run_id: int, config: dict[str, Any], what: str) -> None:
    run = runs.require(session, user, run_id)
    if run.kind not in COMPARED or run.config.get("search") != config:
        raise ComparisonRequired(f"Run {run_id} did not measure {what} as it is now.")


def _kept(compared: Comparison) -> dict[str, Any]:
    """The comparison without its questions: these stay with the runs."""
    return compared.model_dump(mode="json", exclude={"cases"})
