"""`/v1/configurations`: saved retrieval configurations, and which one is in force."""

from __future__ import annotations

from fastapi import APIRouter

from app.configurations import repository, service
from app.configurations.adoption import ComparisonRequired, grounds
from app.configurations.resolving import ConfigurationNotFound
from app.configurations.schemas import Adopt, ConfigurationCreate, ConfigurationList, ConfigurationOut
from app.configurations.service import ConfigurationInForce
from app.dependencies import AppServices, CurrentUser, ReadSession, WriteSession
from app.error_responses import error_responses
from app.errors import Conflict, EvalRunNotFound
from app.evals.runs.errors import RunsNotComparable
from app.schemas import RowId

router = APIRouter(prefix="/v1/configurations", tags=["configurations"])


@router.get("")
def list_all(services: AppServices, session: ReadSession, user: CurrentUser) -> ConfigurationList:
    """Your saved configurations, and which is in force for chat, search and evals."""
    return service.list_all(session, user, services.settings)


@router.post("", status_code=201, responses=error_responses(Conflict))
def create(
    body: ConfigurationCreate, services: AppServices, session: WriteSession, user: CurrentUser
) -> ConfigurationOut:
    """Saves a configuration; it is used where it is named, and by default once it is adopted."""
    return service.create(session, user, services.settings, body)


@router.delete(
    "/{configuration_id}",
    status_code=204,
    responses=error_responses(ConfigurationNotFound, ConfigurationInForce),
)
def delete(configuration_id: RowId, session: WriteSession, user: CurrentUser) -> None:
    """Forgets a configuration that is not in force."""
    service.delete(session, user, configuration_id)


@router.post(
    "/{configuration_id}/adopt",
    responses=error_responses(ConfigurationNotFound, EvalRunNotFound, ComparisonRequired, RunsNotComparable),
)
def adopt(
    configuration_id: RowId, body: Adopt, services: AppServices, session: WriteSession, user: CurrentUser
) -> ConfigurationOut:
    """Puts a configuration in force for chat, search, API and evals. Refused without a comparison."""
    row = service.require(session, user, configuration_id)
    return service.adopt(
        session, user, configuration_id, grounds(session, user, services.settings, row, body)
    )


@router.post("/leave", status_code=204)
def leave(session: WriteSession, user: CurrentUser) -> None:
    """Goes back to the configuration of the settings."""
    repository.leave(session, user.id)
