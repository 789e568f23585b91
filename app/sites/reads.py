"""Rules of reads in the background: start, look, cancel, remove."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections.service import hold, require
from app.services import Services
from app.sites import repository
from app.sites.errors import SiteReadNotFound, SiteReadState, TooManySiteReads
from app.sites.execution import execute
from app.sites.fetching import Fetcher
from app.sites.schemas import SiteReadOut, UrlRead
from app.sites.tables import SiteRead
from app.sites.urls import parse_url

MOST_OF_COLLECTION = 2
MOST_OF_OWNER = 4


def start(
    services: Services, user: Account, collection_id: int, body: UrlRead, fetcher: Fetcher
) -> SiteReadOut:
    """Begins to read and returns at once. Raises UrlInvalid, CollectionNotFound and TooManySiteReads."""
    url = str(parse_url(body.url))
    end_abandoned(services)
    with services.sessions.begin() as session:
        repository.hold_owner(session, user.id)
        require(session, user, collection_id)
        hold(session, user, collection_id)
        _check_room(session, user, collection_id)
        repository.drop_old(session, collection_id)
        row = repository.add(
            session,
            services.site_reads.holder,
            owner_id=user.id,
            collection_id=collection_id,
            **body.model_dump() | {"url": url},
        )
    services.site_reads.start(row.id, lambda stop: execute(services, user, row.id, fetcher, stop))
    return SiteReadOut.of(row)


def list_newest(
    services: Services, user: Account, collection_id: int | None, limit: int
) -> list[SiteReadOut]:
    """Latest first. Raises CollectionNotFound."""
    end_abandoned(services)
    with services.sessions() as session:
        if collection_id is not None:
            require(session, user, collection_id)
        return [SiteReadOut.of(row) for row in repository.list_newest(session, user.id, collection_id, limit)]


def get(services: Services, user: Account, read_id: int) -> SiteReadOut:
    """Raises SiteReadNotFound, also for another owner's."""
    end_abandoned(services)
    with services.sessions() as session:
        return SiteReadOut.of(_found(repository.get(session, user.id, read_id), read_id))


def cancel(services: Services, user: Account, read_id: int) -> SiteReadOut:
    """Stops it, also amid a request; what was taken in stays. Raises SiteReadState for one that is over."""
    end_abandoned(services)
    with services.sessions.begin() as session:
        row = _locked(session, user, read_id)
        if row.status != "running":
            raise SiteReadState(f"Read {read_id} is {row.status}; only a running one can be cancelled.")
        row.cancel_requested = True
    services.site_reads.stop(read_id)
    return SiteReadOut.of(row)


def delete(services: Services, user: Account, read_id: int) -> None:
    """Removes a read that is over; its documents stay. Raises SiteReadState."""
    end_abandoned(services)
    with services.sessions.begin() as session:
        row = _locked(session, user, read_id)
        if row.status == "running":
            raise SiteReadState(f"Read {read_id} is running.", next_step="Cancel it first.")
        session.delete(row)


def end_abandoned(services: Services) -> None:
    """Reads whose process has died do not run for ever. Writes only where there is one."""
    with services.sessions() as session:
        if not repository.any_abandoned(session):
            return
    with services.sessions.begin() as session:
        repository.mark_interrupted(session)


def _check_room(session: Session, user: Account, collection_id: int) -> None:
    running = repository.running_collections(session, user.id)
    inside = list(running).count(collection_id)
    if inside >= MOST_OF_COLLECTION:
        raise TooManySiteReads(f"{inside} sites are being read into this collection already.")
    if len(running) >= MOST_OF_OWNER:
        raise TooManySiteReads(f"{len(running)} sites are being read already.")


def _locked(session: Session, user: Account, read_id: int) -> SiteRead:
    return _found(repository.lock(session, user.id, read_id), read_id)


def _found(row: SiteRead | None, read_id: int) -> SiteRead:
    if row is None:
        raise SiteReadNotFound(f"There is no read {read_id} of a site.")
    return row
