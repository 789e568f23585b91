"""SQL of reads of sites; what a person asks for is scoped by owner."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, delete, select, update
from sqlalchemy.orm import Session

from app.jobs.identity import is_gone
from app.sites.tables import SiteRead
from app.tables import User, utc_now

LEASE_S = 60.0  # longest silence of a read that lives; only counts where its process cannot be looked at
KEPT = 20  # reads of a collection that are over
RUNNING = select(SiteRead).where(SiteRead.status == "running")
INTERRUPTED = {
    "code": "site_read_interrupted",
    "stage": "fetched",
    "cause": "The service was restarted while it read this site.",
    "next_step": "Read the address again: pages that have not changed since are not read twice.",
    "details": {},
}


def hold_owner(session: Session, owner_id: int) -> None:
    """Two reads of one owner are not counted and begun at the same time."""
    session.execute(select(User.id).where(User.id == owner_id).with_for_update(key_share=True))


def running_collections(session: Session, owner_id: int) -> Sequence[int]:
    """The collection of each read that runs."""
    mine = select(SiteRead.collection_id).where(SiteRead.owner_id == owner_id)
    return session.scalars(mine.where(SiteRead.status == "running")).all()


def add(session: Session, holder: str, **values: Any) -> SiteRead:
    """A running read of this holder."""
    row = SiteRead(leased_by=holder, lease_expires_at=_lease_end(), **values)
    session.add(row)
    session.flush()
    return row


def get(session: Session, owner_id: int, read_id: int) -> SiteRead | None:
    return session.scalar(select(SiteRead).where(SiteRead.owner_id == owner_id, SiteRead.id == read_id))


def lock(session: Session, owner_id: int, read_id: int) -> SiteRead | None:
    """The same, kept as it is until the transaction ends."""
    mine = select(SiteRead).where(SiteRead.owner_id == owner_id, SiteRead.id == read_id)
    return session.scalar(mine.with_for_update())


def list_newest(session: Session, owner_id: int, collection_id: int | None, limit: int) -> Sequence[SiteRead]:
    statement = select(SiteRead).where(SiteRead.owner_id == owner_id)
    if collection_id is not None:
        statement = statement.where(SiteRead.collection_id == collection_id)
    return session.scalars(statement.order_by(SiteRead.id.desc()).limit(limit)).all()


def is_wanted(session: Session, read_id: int, holder: str) -> bool:
    """Whether this holder is to go on: not cancelled, deleted, or taken to be dead."""
    row = session.get(SiteRead, read_id)
    return row is not None and _is_held(row, holder) and not row.cancel_requested


def note(session: Session, read_id: int, holder: str, **values: Any) -> None:
    """Keeps how far the read is, and extends its lease; nothing where it is over."""
    session.execute(_held(read_id, holder).values(lease_expires_at=_lease_end(), **values))


def finish(session: Session, read_id: int, holder: str, status: str, error: dict[str, Any] | None) -> None:
    """Ends a read, if it is still this holder's; it keeps no address as the one being read."""
    values = {"status": status, "error": error, "current": None, "finished_at": utc_now()}
    session.execute(_held(read_id, holder).values(**values))


def drop_old(session: Session, collection_id: int) -> None:
    """Removes the oldest reads that are over."""
    over = select(SiteRead.id).where(SiteRead.collection_id == collection_id, SiteRead.status != "running")
    old = session.scalars(over.order_by(SiteRead.id.desc()).offset(KEPT)).all()
    session.execute(delete(SiteRead).where(SiteRead.id.in_(old)))


def delete_of_collection(session: Session, collection_id: int) -> None:
    """Removes what there is of a collection that goes; its reads under way notice and stop."""
    session.execute(delete(SiteRead).where(SiteRead.collection_id == collection_id))


def any_abandoned(session: Session) -> bool:
    """Whether a read's holder is gone or silent; only reads."""
    return any(map(_is_abandoned, session.scalars(RUNNING)))


def mark_interrupted(session: Session) -> None:
    """Reads whose holder is gone or silent end as interrupted, at the time of its last sign."""
    for row in filter(_is_abandoned, session.scalars(RUNNING.with_for_update())):
        row.status, row.error, row.current = "interrupted", INTERRUPTED, None
        row.finished_at = row.lease_expires_at - timedelta(seconds=LEASE_S)


def _is_abandoned(row: SiteRead) -> bool:
    return row.lease_expires_at < utc_now() or is_gone(row.leased_by)


def _is_held(row: SiteRead, holder: str) -> bool:
    return row.leased_by == holder and row.status == "running"


def _held(read_id: int, holder: str) -> Update:
    return update(SiteRead).where(
        SiteRead.id == read_id, SiteRead.leased_by == holder, SiteRead.status == "running"
    )


def _lease_end() -> datetime:
    return utc_now() + timedelta(seconds=LEASE_S)
