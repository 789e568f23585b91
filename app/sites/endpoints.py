"""`POST /v1/collections/{id}/urls` begins to read a site; `/v1/site-reads` follows and stops it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.dependencies import AppServices, CurrentUser
from app.error_responses import error_responses
from app.errors import CollectionNotFound
from app.schemas import RowId
from app.sites import reads
from app.sites.errors import SiteReadNotFound, SiteReadState, TooManySiteReads, UrlInvalid
from app.sites.fetching import Fetcher
from app.sites.schemas import SiteReadList, SiteReadOut, SiteReadQuery, UrlRead

collection_router = APIRouter(prefix="/v1/collections", tags=["collections"])
router = APIRouter(prefix="/v1/site-reads", tags=["site reads"])


def get_fetcher() -> Fetcher:
    """Reads public addresses only; tests put their own in its place."""
    return Fetcher()


@collection_router.post(
    "/{collection_id}/urls",
    status_code=202,
    responses=error_responses(CollectionNotFound, UrlInvalid, TooManySiteReads),
)
def read_urls(
    collection_id: RowId,
    body: UrlRead,
    services: AppServices,
    user: CurrentUser,
    fetcher: Annotated[Fetcher, Depends(get_fetcher)],
) -> SiteReadOut:
    """Begins to fetch a page, and with `depth` the pages of the same site that it links to.

    Only public addresses are connected to, robots.txt is respected, and there are at least 0.5 s between two
    requests; after 120 s no further page is begun. Reading an address again makes a new version when the page
    has changed, unless `on_existing` says otherwise. What became of each page stands in the read; when no
    page could be had, the read has failed with the first error.
    """
    return reads.start(services, user, collection_id, body, fetcher)


@router.get("", responses=error_responses(CollectionNotFound))
def list_all(
    query: Annotated[SiteReadQuery, Query()], services: AppServices, user: CurrentUser
) -> SiteReadList:
    """Your reads, latest first: those that run, and the last 20 of each collection that are over."""
    return SiteReadList(items=reads.list_newest(services, user, query.collection_id, query.limit))


@router.get("/{read_id}", responses=error_responses(SiteReadNotFound))
def read(read_id: RowId, services: AppServices, user: CurrentUser) -> SiteReadOut:
    """One read: the page in hand, what became of those before, how many more may follow."""
    return reads.get(services, user, read_id)


@router.post("/{read_id}/cancel", status_code=202, responses=error_responses(SiteReadNotFound, SiteReadState))
def cancel(read_id: RowId, services: AppServices, user: CurrentUser) -> SiteReadOut:
    """Stops a read within a second, also while it waits for the site; what was taken in is kept."""
    return reads.cancel(services, user, read_id)


@router.delete("/{read_id}", status_code=204, responses=error_responses(SiteReadNotFound, SiteReadState))
def delete(read_id: RowId, services: AppServices, user: CurrentUser) -> None:
    """Removes a read that is over; its documents stay."""
    reads.delete(services, user, read_id)
