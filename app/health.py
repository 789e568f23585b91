"""`/healthz` (the process lives), `/readyz` (it can answer questions), `/metrics`."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError

from app.db import schema_is_current
from app.dependencies import AppServices, Follower
from app.documents.index_follower import IndexState
from app.error_responses import error_responses
from app.errors import ErrorBody, NotReady
from app.jobs import repository as jobs
from app.metrics import Metrics
from app.services import Services
from app.tables import utc_now

router = APIRouter(tags=["operations"])

OVERDUE_S = 60.0  # a job that nobody took for so long means that no worker runs


class Health(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"


class Part(BaseModel):
    """One part of the service; `problem` says what to do when it is not ready."""

    status: Literal["ok", "starting", "failed", "waiting"]
    problem: ErrorBody | None = None


class Readiness(BaseModel):
    """`worker` never makes the service unready: questions are answered without it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "ready", "parts": {"database": {"status": "ok", "problem": None}}}]
        }
    )

    status: Literal["ready", "not_ready"]
    parts: dict[Literal["database", "index", "models", "worker"], Part]


@router.get("/healthz")
def healthz() -> Health:
    """Answers as long as the process does."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not ready, and why."}})
def readyz(services: AppServices, follower: Follower, response: Response) -> Readiness:
    """Ready when the database answers, the models are loaded and the index follows the database."""
    database = _database(services)
    index = Part(status=_INDEX_STATUS[follower.state], problem=follower.problem)
    ready = database.status == "ok" and index.status == "ok"
    response.status_code = 200 if ready else 503
    return Readiness(
        status="ready" if ready else "not_ready",
        parts={
            "database": database,
            "index": index,
            "models": Part(status="ok"),  # services exist only with their models
            "worker": _worker(services) if database.status == "ok" else Part(status="waiting"),
        },
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text."},
        **error_responses(NotReady),
    },
)
def metrics(request: Request, _services: AppServices) -> Response:
    """Requests, latency, jobs, documents and index size."""
    measured: Metrics = request.app.state.metrics
    return Response(measured.render(), media_type=CONTENT_TYPE_LATEST)


_INDEX_STATUS: dict[IndexState, Literal["ok", "starting", "failed"]] = {
    IndexState.STARTING: "starting",
    IndexState.READY: "ok",
    IndexState.FAILED: "failed",
}


def _database(services: Services) -> Part:
    try:
        with services.engine.connect() as connection:
            if schema_is_current(connection):
                return Part(status="ok")
        cause, next_step = (
            "The schema is not at the newest revision.",
            "Restart the service: it migrates first.",
        )
    except DBAPIError:
        cause, next_step = "The database does not answer.", "Check FOOTNOTE_DATABASE_URL and the server."
    return Part(
        status="failed",
        problem=ErrorBody(code="database_unavailable", stage="start", cause=cause, next_step=next_step),
    )


def _worker(services: Services) -> Part:
    with services.sessions() as session:
        overdue = jobs.count_overdue(session, utc_now() - timedelta(seconds=OVERDUE_S))
        running = jobs.count_by_status(session).get("running", 0)
    if not overdue or running:
        return Part(status="ok")
    problem = ErrorBody(
        code="worker_absent",
        stage="stored",
        cause=f"{overdue} jobs have waited for more than {OVERDUE_S:.0f} s.",
        next_step="Start a worker with `footnote worker`.",
    )
    return Part(status="waiting", problem=problem)
