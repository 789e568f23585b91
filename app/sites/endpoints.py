"""`POST /v1/collections/{id}/urls`: pages of a site as documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from app.dependencies import AppServices, CurrentUser
from app.documents.blobs import StorageFull
from app.error_responses import error_responses
from app.errors import CollectionNotFound
from app.schemas import RowId
from app.sites import errors
from app.sites.crawling import CrawlLimits
from app.sites.fetching import Fetcher
from app.sites.schemas import ReadUrl, UrlRead, UrlReadResult
from app.sites.service import UrlOutcome, read_site

router = APIRouter(prefix="/v1/collections", tags=["collections"])


def get_fetcher() -> Fetcher:
    """Reads public addresses only; tests put their own in its place."""
    return Fetcher()


@router.post(
    "/{collection_id}/urls",
    status_code=202,
    responses=error_responses(
        CollectionNotFound,
        errors.UrlInvalid,
        errors.UrlAddressPrivate,
        errors.UrlDisallowed,
        errors.UrlUnreachable,
        errors.UrlTimeout,
        errors.UrlStatus,
        errors.UrlTooLarge,
        errors.UrlTypeUnsupported,
        StorageFull,
    ),
)
def read_urls(
    collection_id: RowId,
    body: UrlRead,
    services: AppServices,
    user: CurrentUser,
    fetcher: Annotated[Fetcher, Depends(get_fetcher)],
) -> UrlReadResult:
    """Fetches a page, and with `depth` the pages of the same site that it links to, and queues their reading.

    Only public addresses are connected to, robots.txt is respected, and there are at least 0.5 s between two
    requests; after 120 s no further page is begun. Reading an address again makes a new version when the page
    has changed, unless `on_existing` says otherwise. When no page could be had, the response is the first
    error.
    """
    limits = CrawlLimits(depth=body.depth, pages=body.pages)
    read = list(
        read_site(services, user, collection_id, body.url, limits, fetcher, on_existing=body.on_existing)
    )
    refusals = [item.outcome.error for item in read if item.outcome.error is not None]
    if read and len(refusals) == len(read):
        raise refusals[0]
    return UrlReadResult(documents=[_shown(item) for item in read])


def _shown(item: UrlOutcome) -> ReadUrl:
    outcome = item.outcome
    return ReadUrl(
        url=item.url,
        file_name=outcome.file_name,
        document_id=outcome.document_id,
        job_id=outcome.job_id,
        status=outcome.status,
        version=outcome.version,
        same_name_as=outcome.same_name_as,
        error=None if outcome.error is None else outcome.error.body(),
    )
