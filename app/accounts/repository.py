"""SQL of accounts."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.tables import User


def get_by_name(session: Session, name: str) -> User | None:
    return session.scalar(select(User).where(User.name == name))
