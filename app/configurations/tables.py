"""The table of saved retrieval configurations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.tables import NEVER_REUSED, Base, Id, UtcDateTime, utc_now


class SearchConfiguration(Base):
    """A named retrieval configuration; at most one of an owner is in force."""

    __tablename__ = "search_configurations"
    __table_args__ = (UniqueConstraint("owner_id", "name"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    config: Mapped[dict[str, Any]] = mapped_column(JSON)  # every field of SearchConfig
    in_force: Mapped[bool] = mapped_column(default=False)
    adoption: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # comparison or reason
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    adopted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
