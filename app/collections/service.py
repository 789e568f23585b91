"""Rules of collections: names are unique per owner, Default always exists."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.collections import repository
from app.collections.schemas import CollectionOut
from app.documents import removal
from app.errors import CollectionNotFound, Conflict
from app.sites import repository as site_reads
from app.tables import Collection

DEFAULT_NAME = "Default"


def list_all(session: Session, user: Account) -> list[CollectionOut]:
    return [_out(row, count) for row, count in repository.list_counted(session, user.id)]


def get(session: Session, user: Account, collection_id: int) -> CollectionOut:
    """Raises CollectionNotFound, also for another owner's collection."""
    found = repository.get_counted(session, user.id, collection_id)
    if found is None:
        raise _not_found(collection_id)
    return _out(*found)


def create(session: Session, user: Account, name: str) -> CollectionOut:
    """Raises Conflict when the name is taken."""
    try:
        with session.begin_nested():
            return _out(repository.add(session, user.id, name), 0)
    except IntegrityError as error:
        raise Conflict(
            f"There is already a collection named {name!r}.", next_step="Use it or choose another name."
        ) from error


def get_or_create(session: Session, user: Account, name: str) -> int:
    """Id of the owner's collection of that name."""
    row = repository.get_by_name(session, user.id, name)
    return row.id if row is not None else repository.add(session, user.id, name).id


def require(session: Session, user: Account, collection_id: int | None) -> int:
    """The id after checking that it is the owner's; None means Default. Raises CollectionNotFound."""
    if collection_id is None:
        return get_or_create(session, user, DEFAULT_NAME)
    if repository.get(session, user.id, collection_id) is None:
        raise _not_found(collection_id)
    return collection_id


def hold(session: Session, user: Account, collection_id: int) -> None:
    """Keeps the collection until the transaction ends. Raises CollectionNotFound."""
    if not repository.hold(session, user.id, collection_id):
        raise _not_found(collection_id)


def delete(session: Session, user: Account, collection_id: int) -> None:
    """Hides the collection and its documents; a sweep purges them."""
    row = repository.get(session, user.id, collection_id)
    if row is None:
        raise _not_found(collection_id)
    if row.name == DEFAULT_NAME:
        raise Conflict("The Default collection always exists.", next_step="Delete its documents instead.")
    repository.hide(session, row)  # first: an upload that waits for it then finds it gone
    site_reads.delete_of_collection(session, collection_id)
    removal.delete_all_of_collection(session, user, collection_id)


def _not_found(collection_id: int) -> CollectionNotFound:
    return CollectionNotFound(f"There is no collection {collection_id}.")


def _out(row: Collection, document_count: int) -> CollectionOut:
    return CollectionOut(id=row.id, name=row.name, created_at=row.created_at, document_count=document_count)
