"""The HTTP application: lifespan, routers, handlers. No logic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool

from app import health
from app.answers.endpoints import router as answers
from app.answers.inspection_endpoints import router as inspection
from app.answers.message_endpoints import router as messages
from app.collections.endpoints import router as collections
from app.configurations.endpoints import router as configurations
from app.conversations.endpoints import router as conversations
from app.documents.endpoints import router as documents
from app.documents.index_follower import IndexFollower
from app.documents.passage_endpoints import router as passages
from app.documents.version_endpoints import router as versions
from app.error_handlers import install_error_handlers
from app.error_responses import Responses, error_responses
from app.errors import CrossSiteRequest, ErrorBody, HostNotAllowed
from app.evals.endpoints import router as evals
from app.evals.generation.endpoints import router as eval_generation
from app.evals.runs.runner import EvalRunner
from app.evals.sets.case_endpoints import router as eval_cases
from app.evals.sets.endpoints import router as eval_sets
from app.gate.endpoints import router as gate
from app.jobs.endpoints import router as jobs
from app.metrics import Metrics
from app.middleware import ObserveRequests
from app.overview.endpoints import router as overview
from app.query_guard import refuse_unknown_query
from app.services import Services
from app.settings import Settings
from app.sites.endpoints import collection_router as sites
from app.sites.endpoints import router as site_reads
from app.trusted_hosts import TrustedHosts, allowed_names

DESCRIPTION = "Upload documents, ask, and get answers whose every claim carries a footnote."
ANYWHERE: Responses = {
    **error_responses(HostNotAllowed, CrossSiteRequest),
    422: {"model": ErrorBody, "description": "A field is wrong or unknown."},
}


def create_app(settings: Settings, build: Callable[[Settings], Services]) -> FastAPI:
    """The application; `build` runs when it starts, so importing this costs nothing."""
    metrics = Metrics()

    def change_over(services: Services) -> None:
        """Requests from now on get these; those under way keep what they have."""
        app.state.services = services
        app.state.eval_runner.use(services)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await run_in_threadpool(build, settings)
        app.state.services, app.state.follower = services, IndexFollower(services, change_over)
        metrics.watch(lambda: app.state.services)
        app.state.eval_runner = EvalRunner(services)
        app.state.follower.start()
        app.state.eval_runner.start()
        yield
        await run_in_threadpool(app.state.eval_runner.stop)
        await run_in_threadpool(app.state.follower.stop)
        await run_in_threadpool(app.state.services.close)

    app = FastAPI(
        title="Footnote",
        description=DESCRIPTION,
        version="0.1.0",
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_query)],
        responses=ANYWHERE,
    )
    app.state.metrics = metrics
    app.add_middleware(TrustedHosts, names=allowed_names(settings))
    app.add_middleware(ObserveRequests, metrics=metrics)  # around the other: it counts refusals
    install_error_handlers(app)
    for router in (
        collections,
        sites,
        site_reads,
        gate,
        documents,
        passages,
        versions,
        jobs,
        answers,
        messages,
        inspection,
        conversations,
        configurations,
        evals,
        eval_sets,
        eval_generation,
        eval_cases,
        overview,
        health.router,
    ):
        app.include_router(router)
    return app
