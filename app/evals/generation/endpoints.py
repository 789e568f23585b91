"""`/v1/eval-sets/{id}/generate`: questions from the user's own documents, to be reviewed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from app.dependencies import AppServices, CurrentUser, EvalRuns
from app.error_responses import error_responses
from app.evals.generation.passages import choose
from app.evals.runs import service as runs
from app.evals.runs.errors import NothingToAsk
from app.evals.schemas import EvalRunOut
from app.evals.sets.errors import EvalSetNotFound
from app.evals.sets.service import require
from app.schemas import RequestModel, RowId

router = APIRouter(prefix="/v1/eval-sets", tags=["evals"])


class Generate(RequestModel):
    """How many passages to ask about; not every one gives a question."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"passages": 20}]})

    passages: int = Field(default=20, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, description="Another seed chooses other passages.")


@router.post("/{set_id}/generate", status_code=202, responses=error_responses(EvalSetNotFound, NothingToAsk))
def generate(
    set_id: RowId, body: Generate, services: AppServices, runner: EvalRuns, user: CurrentUser
) -> EvalRunOut:
    """Queues a run that writes questions about passages of the set's collection; they wait for review."""
    with services.sessions.begin() as session:
        row = require(session, user, set_id)
        chosen = choose(session, user, row.id, row.collection_id, body.passages, body.seed)
        if not chosen:
            raise NothingToAsk(
                "There is no passage left that could be asked about.",
                next_step="Add documents, or choose another collection for the set.",
            )
        config: dict[str, Any] = runs.run_config(services, session, user, None) | {
            "collection_id": row.collection_id,
            "chunk_ids": chosen,
            "seed": body.seed,
        }
        run = EvalRunOut.model_validate(runs.add(session, user, "generate", row.name, row.id, config))
    runner.wake()
    return run
