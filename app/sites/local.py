"""`footnote ingest URL`: the pages of a site, read to the end without the HTTP API."""

from __future__ import annotations

from collections.abc import Sequence

from app.accounts.service import local_account
from app.collections.service import get_or_create
from app.documents.identity import OnExisting
from app.documents.local import Row, Submitted, Tell, document_ids_of, rows_of, run_jobs
from app.documents.sweeping import sweep_services
from app.services import Services
from app.sites.crawling import CrawlLimits
from app.sites.fetching import Fetcher
from app.sites.service import read_site


def ingest_site(
    services: Services,
    url: str,
    collection: str,
    limits: CrawlLimits,
    tell: Tell,
    fetcher: Fetcher,
    *,
    on_existing: OnExisting = "replace",
) -> list[Row]:
    """Reads pages into a collection; one row for each address, when all of them are done.

    Raises UrlInvalid; what goes wrong with a page is in its row. Ctrl-C leaves what was taken in and says so.
    """
    with services.sessions.begin() as session:
        user = local_account(session)
        collection_id = get_or_create(session, user, collection)
    submitted: list[Submitted] = []
    try:
        for item in read_site(services, user, collection_id, url, limits, fetcher, on_existing=on_existing):
            tell(f"{item.url}: {'fetched' if item.outcome.error is None else item.outcome.error.cause}")
            submitted.append(Submitted(item.url, item.outcome))
        stopwatch = run_jobs(services, document_ids_of(submitted), tell)
    except KeyboardInterrupt:
        tell(_stopped(submitted))
        raise
    sweep_services(services)
    return rows_of(services, submitted, stopwatch)


def _stopped(submitted: Sequence[Submitted]) -> str:
    """What stays after Ctrl-C, and how to go on."""
    taken_in = sum(item.outcome.error is None for item in submitted)
    if not taken_in:
        return "Stopped before a page was taken in."
    pages = "1 page was taken in and stays" if taken_in == 1 else f"{taken_in:,} pages were taken in and stay"
    return f"Stopped: {pages}. The same command goes on; `footnote up` reads what waits."
