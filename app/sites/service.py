"""Pages of a site become documents whose name is their address: citations show where they are from."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass

from app.accounts.types import Account
from app.collections.service import require
from app.documents import repository
from app.documents.identity import OnExisting
from app.documents.uploads import UploadOutcome, register
from app.errors import AppError, CollectionNotFound
from app.services import Services
from app.sites.crawling import Begin, CrawlLimits, Pause, Visited, crawl, unwatched
from app.sites.urls import parse_url
from app.sites.visiting import Fetches, Page, Visitor


@dataclass(frozen=True, slots=True)
class UrlOutcome:
    """What became of one address."""

    url: str
    outcome: UploadOutcome
    size_bytes: int  # that came
    waiting: int  # addresses that are known and were not asked yet


def read_site(
    services: Services,
    user: Account,
    collection_id: int | None,
    url: str,
    limits: CrawlLimits,
    fetcher: Fetches,
    *,
    on_existing: OnExisting = "replace",
    begin: Begin = unwatched,
    pause: Pause = time.sleep,
) -> Iterator[UrlOutcome]:
    """Fetches and registers page after page. An address that was read before becomes a new version of its
    document when its bytes have changed, and a duplicate when they have not; `on_existing` may say otherwise.

    Raises UrlInvalid, or CollectionNotFound, also when it is deleted meanwhile; what goes wrong with a page
    is in its outcome.
    """
    start = parse_url(url)
    with services.sessions() as session:
        collection_id = require(session, user, collection_id)
    for visited in crawl(Visitor(fetcher), start, limits, begin=begin, pause=pause):
        outcome = _outcome(services, user, collection_id, visited, on_existing)
        size_bytes = 0 if visited.page is None else len(visited.page.body)
        yield UrlOutcome(str(visited.url), outcome, size_bytes, visited.waiting)


def _outcome(
    services: Services, user: Account, collection_id: int, visited: Visited, on_existing: OnExisting
) -> UploadOutcome:
    try:
        if visited.page is None:
            assert visited.error is not None
            raise visited.error
        return _register(services, user, collection_id, visited.page, on_existing)
    except CollectionNotFound:
        raise
    except AppError as error:
        return UploadOutcome(str(visited.url), "rejected", error=error)


def _register(
    services: Services, user: Account, collection_id: int, page: Page, on_existing: OnExisting
) -> UploadOutcome:
    staged = services.blobs.stage(io.BytesIO(page.body), services.settings.max_upload_bytes)
    if on_existing == "replace" and not _is_changed(services, collection_id, str(page.url), staged.sha256):
        on_existing = "skip"
    return register(
        services.sessions,
        services.blobs,
        user,
        collection_id,
        str(page.url),
        staged,
        on_existing=on_existing,
    )


def _is_changed(services: Services, collection_id: int, url: str, sha256: str) -> bool:
    """Whether the document of this address, or where it has none the collection, lacks these bytes."""
    with services.sessions() as session:
        there = repository.get_by_name(session, collection_id, url)
        if there is not None:
            return there.sha256 != sha256
        return repository.get_by_sha256(session, collection_id, sha256) is None
