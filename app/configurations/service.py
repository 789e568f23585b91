"""Rules of saved retrieval configurations: unique names, whole values, adoption that rests on something."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.configurations import repository
from app.configurations.resolving import SETTINGS_NAME, ConfigurationNotFound, name_in_force
from app.configurations.schemas import ConfigurationCreate, ConfigurationList, ConfigurationOut
from app.configurations.tables import SearchConfiguration
from app.errors import Conflict
from app.services import search_config
from app.settings import Settings


class ConfigurationInForce(Conflict):
    """The configuration in force cannot be deleted."""

    code = "configuration_in_force"
    default_next_step = "Adopt another one, or go back to the settings, and delete it then."


def list_all(session: Session, user: Account, settings: Settings) -> ConfigurationList:
    """Every saved configuration, oldest first, and which one is in force."""
    return ConfigurationList(
        in_force=name_in_force(session, user),
        settings=asdict(search_config(settings)),
        items=[ConfigurationOut.model_validate(row) for row in repository.list_all(session, user.id)],
    )


def create(
    session: Session, user: Account, settings: Settings, body: ConfigurationCreate
) -> ConfigurationOut:
    """A new configuration, in force nowhere; raises Conflict when the name is taken."""
    if body.name == SETTINGS_NAME:
        raise Conflict(
            f"{SETTINGS_NAME!r} is the name of what the settings say.", next_step="Choose another name."
        )
    given = body.config.model_dump(exclude_none=True)
    if "evidence_threshold" in given:  # as in a request: what is given goes before those of collections
        given["own_thresholds"] = False
    values = replace(search_config(settings), **given)
    try:
        with session.begin_nested():
            row = repository.add(session, user.id, body.name, asdict(values))
    except IntegrityError as error:
        raise Conflict(
            f"There is already a configuration named {body.name!r}.", next_step="Choose another name."
        ) from error
    return ConfigurationOut.model_validate(row)


def delete(session: Session, user: Account, configuration_id: int) -> None:
    """Raises ConfigurationInForce for the one in force."""
    row = require(session, user, configuration_id)
    if row.in_force:
        raise ConfigurationInForce(f"The configuration {row.name!r} is in force.")
    session.delete(row)


def adopt(
    session: Session, user: Account, configuration_id: int, adoption: dict[str, Any]
) -> ConfigurationOut:
    """Puts a configuration in force and keeps what the decision rests on."""
    row = require(session, user, configuration_id)
    repository.adopt(session, row, adoption)
    return ConfigurationOut.model_validate(row)


def require(session: Session, user: Account, configuration_id: int) -> SearchConfiguration:
    """The owner's row; raises ConfigurationNotFound, also for another owner's."""
    row = repository.get(session, user.id, configuration_id)
    if row is None:
        raise ConfigurationNotFound(f"There is no search configuration {configuration_id}.")
    return row
