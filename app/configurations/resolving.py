"""Which retrieval configuration applies: one answer for chat, search lab, API, command line and evals."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.configurations import repository
from app.errors import NotFound
from app.services import search_config
from app.settings import Settings
from retrieval.types import SearchConfig

SETTINGS_NAME = "settings"
"""What the configuration of the settings is called where a name is shown."""


class ConfigurationNotFound(NotFound):
    """There is no search configuration of that name."""

    code = "configuration_not_found"
    default_next_step = "List configurations with GET /v1/configurations."


def resolve(session: Session, user: Account, settings: Settings, name: str | None = None) -> SearchConfig:
    """The configuration of that name; without a name the adopted one, and before any adoption the settings.

    Raises ConfigurationNotFound.
    """
    if name == SETTINGS_NAME:
        return search_config(settings)
    if name is None:
        row = repository.in_force(session, user.id)
        return search_config(settings) if row is None else replace(search_config(settings), **row.config)
    row = repository.get_by_name(session, user.id, name)
    if row is None:
        raise ConfigurationNotFound(f"There is no search configuration named {name!r}.")
    return replace(search_config(settings), **row.config)


def name_in_force(session: Session, user: Account) -> str:
    """The name of what `resolve` gives without a name."""
    row = repository.in_force(session, user.id)
    return SETTINGS_NAME if row is None else row.name
