"""SQL of saved retrieval configurations; every statement is scoped by owner."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.configurations.tables import SearchConfiguration
from app.tables import utc_now


def add(session: Session, owner_id: int, name: str, config: dict[str, Any]) -> SearchConfiguration:
    row = SearchConfiguration(owner_id=owner_id, name=name, config=config)
    session.add(row)
    session.flush()
    return row


def list_all(session: Session, owner_id: int) -> list[SearchConfiguration]:
    statement = (
        select(SearchConfiguration)
        .where(SearchConfiguration.owner_id == owner_id)
        .order_by(SearchConfiguration.id)
    )
    return list(session.scalars(statement))


def get(session: Session, owner_id: int, configuration_id: int) -> SearchConfiguration | None:
    return session.scalar(
        select(SearchConfiguration).where(
            SearchConfiguration.owner_id == owner_id, SearchConfiguration.id == configuration_id
        )
    )


def get_by_name(session: Session, owner_id: int, name: str) -> SearchConfiguration | None:
    return session.scalar(
        select(SearchConfiguration).where(
            SearchConfiguration.owner_id == owner_id, SearchConfiguration.name == name
        )
    )


def in_force(session: Session, owner_id: int) -> SearchConfiguration | None:
    return session.scalar(
        select(SearchConfiguration).where(
            SearchConfiguration.owner_id == owner_id, SearchConfiguration.in_force.is_(True)
        )
    )


def leave(session: Session, owner_id: int) -> None:
    """From here on no saved configuration is in force: the settings are."""
    session.execute(
        update(SearchConfiguration)
        .where(SearchConfiguration.owner_id == owner_id, SearchConfiguration.in_force.is_(True))
        .values(in_force=False)
    )


def adopt(session: Session, row: SearchConfiguration, adoption: dict[str, Any]) -> None:
    """Puts this one in force instead of whatever was."""
    leave(session, row.owner_id)
    row.in_force, row.adoption, row.adopted_at = True, adoption, utc_now()
    session.flush()
