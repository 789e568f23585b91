"""Works one read off, page by page; each is noted at once, so that a stop loses nothing that was taken in."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, cast

from sqlalchemy.exc import DBAPIError

from app.accounts.types import Account
from app.db_failures import explained
from app.documents.identity import OnExisting
from app.errors import AppError, InternalError
from app.services import Services
from app.sites import repository
from app.sites.crawling import CrawlLimits
from app.sites.fetching import Fetcher
from app.sites.schemas import ReadStatus, ReadUrl
from app.sites.service import UrlOutcome, read_site
from app.sites.stopping import ReadStopped, StoppableFetcher, pause
from app.sites.tables import SiteRead
from app.sites.urls import Url

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how soon a read notices what another process wrote in its row
RENEW_S = repository.LEASE_S / 4

Ended = tuple[ReadStatus, dict[str, Any] | None]
"""How a read ended, and why it did not end well."""


def execute(services: Services, user: Account, read_id: int, fetcher: Fetcher, stop: threading.Event) -> None:
    """Reads the site of the row and ends the row as done, failed, cancelled or interrupted.

    The row is this process's. It ends within a tenth of a second of `stop`, whatever the site does.
    """
    reading = _Reading(services, read_id, stop)
    try:
        status, error = reading.run(user, fetcher)
    except ReadStopped:
        status, error = _stopped(services, read_id)
    except AppError as failure:
        status, error = _failed(failure)
    except DBAPIError as failure:
        log.exception("site read %d could not be stored", read_id)
        status, error = _failed(explained(failure))
    except Exception:
        log.exception("site read %d failed", read_id)
        status, error = _failed(InternalError("The site could not be read."))
    with services.sessions.begin() as session:
        repository.finish(session, read_id, services.site_reads.holder, status, error)


class _Reading:
    """One read under way: what its row is to say, and whether it is to go on."""

    def __init__(self, services: Services, read_id: int, stop: threading.Event) -> None:
        self._services = services
        self._read_id = read_id
        self._stop = stop
        self._documents: list[dict[str, Any]] = []
        self._size_bytes = 0
        self._next_look_s = 0.0
        self._next_renewal_s = time.monotonic() + RENEW_S

    def run(self, user: Account, fetcher: Fetcher) -> Ended:
        """Raises ReadStopped, CollectionNotFound and UrlInvalid."""
        with self._services.sessions() as session:
            row = session.get_one(SiteRead, self._read_id)
        read = read_site(
            self._services,
            user,
            row.collection_id,
            row.url,
            CrawlLimits(depth=row.depth, pages=row.pages),
            StoppableFetcher(fetcher, self.check),
            on_existing=cast(OnExisting, row.on_existing),
            begin=self.begin,
            pause=lambda seconds: pause(seconds, self.check),
        )
        failures = [self.keep(item) for item in read]
        if failures and all(failures):
            return "failed", failures[0]
        return "done", None

    def begin(self, url: Url) -> None:
        """The address that is read now."""
        self._note(current=str(url))

    def keep(self, item: UrlOutcome) -> dict[str, Any] | None:
        """What became of an address; its error."""
        shown = ReadUrl.of(item.outcome, url=item.url).model_dump(mode="json")
        self._documents = [*self._documents, shown]
        self._size_bytes += item.size_bytes
        self._note(current=None, waiting=item.waiting, size_bytes=self._size_bytes, documents=self._documents)
        error: dict[str, Any] | None = shown["error"]
        return error

    def check(self) -> None:
        """Raises ReadStopped when this process ends it, and soon after its row says so."""
        now_s = time.monotonic()
        if not self._stop.is_set() and now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            if now_s >= self._next_renewal_s:
                self._note()
            if not self._is_wanted():
                self._stop.set()
        if self._stop.is_set():
            raise ReadStopped

    def _is_wanted(self) -> bool:
        with self._services.sessions() as session:
            return repository.is_wanted(session, self._read_id, self._services.site_reads.holder)

    def _note(self, **values: Any) -> None:
        self._next_renewal_s = time.monotonic() + RENEW_S
        with self._services.sessions.begin() as session:
            repository.note(session, self._read_id, self._services.site_reads.holder, **values)


def _failed(failure: AppError) -> Ended:
    return "failed", failure.body().model_dump(mode="json")


def _stopped(services: Services, read_id: int) -> Ended:
    with services.sessions() as session:
        row = session.get(SiteRead, read_id)
    if row is not None and row.cancel_requested:
        return "cancelled", None
    return "interrupted", repository.INTERRUPTED
