"""`/v1/collections`: the folders that questions can be limited to."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks

from app.collections import service
from app.collections.schemas import CollectionCreate, CollectionList, CollectionOut
from app.dependencies import AppServices, CurrentUser, ReadSession, WriteSession
from app.documents.sweeping import sweep_services
from app.error_responses import error_responses
from app.errors import CollectionNotFound, Conflict
from app.schemas import RowId

router = APIRouter(prefix="/v1/collections", tags=["collections"])


@router.post("", status_code=201, responses=error_responses(Conflict))
def create(body: CollectionCreate, session: WriteSession, user: CurrentUser) -> CollectionOut:
    """A new, empty collection; its name is free among yours."""
    return service.create(session, user, body.name)


@router.get("")
def list_all(session: ReadSession, user: CurrentUser) -> CollectionList:
    """Your collections, oldest first. One named Default always exists."""
    return CollectionList(items=service.list_all(session, user))


@router.get("/{collection_id}", responses=error_responses(CollectionNotFound))
def read(collection_id: RowId, session: ReadSession, user: CurrentUser) -> CollectionOut:
    """One collection with its number of documents."""
    return service.get(session, user, collection_id)


@router.delete("/{collection_id}", status_code=204, responses=error_responses(CollectionNotFound, Conflict))
def delete(
    collection_id: RowId, services: AppServices, user: CurrentUser, afterwards: BackgroundTasks
) -> None:
    """Deletes the collection and its documents; from this moment no search finds them."""
    with services.sessions.begin() as session:
        service.delete(session, user, collection_id)
    afterwards.add_task(sweep_services, services)
