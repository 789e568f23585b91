"""The table of reads of sites: one row for each, from its start until it is removed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.tables import NEVER_REUSED, Base, Id, UtcDateTime, utc_now


class SiteRead(Base):
    """What was asked for, how far it is, and what became of each address."""

    __tablename__ = "site_reads"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    collection_id: Mapped[int] = mapped_column(BigInteger, index=True)  # the row goes when that is deleted
    url: Mapped[str] = mapped_column(Text)
    depth: Mapped[int] = mapped_column(Integer)
    pages: Mapped[int] = mapped_column(Integer)  # most that are read
    on_existing: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20), default="running")  # ReadStatus
    current: Mapped[str | None] = mapped_column(Text)  # the address that is being read
    waiting: Mapped[int] = mapped_column(Integer, default=0)  # addresses that were not asked yet
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)  # of the pages that came
    documents: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # ReadUrl, in their order
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    leased_by: Mapped[str] = mapped_column(String(200))  # whose thread reads
    lease_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # why it has failed or was interrupted
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
