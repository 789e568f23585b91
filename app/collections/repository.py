"""SQL of collections; every statement is scoped by owner."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.tables import Collection, Document, utc_now


def counted_statement(owner_id: int) -> Select[Collection, int]:
    """The owner's collections with their numbers of documents."""
    documents = (
        select(func.count())
        .where(Document.collection_id == Collection.id, Document.deleted_at.is_(None))
        .scalar_subquery()
    )
    return select(Collection, documents).where(*_live(owner_id)).order_by(Collection.id)


def list_counted(session: Session, owner_id: int) -> list[tuple[Collection, int]]:
    return [(row, count) for row, count in session.execute(counted_statement(owner_id))]


def get_counted(session: Session, owner_id: int, collection_id: int) -> tuple[Collection, int] | None:
    found = session.execute(counted_statement(owner_id).where(Collection.id == collection_id)).one_or_none()
    return None if found is None else (found[0], found[1])


def get(session: Session, owner_id: int, collection_id: int) -> Collection | None:
    return session.scalar(select(Collection).where(*_live(owner_id), Collection.id == collection_id))


def hold(session: Session, owner_id: int, collection_id: int) -> bool:
    """Keeps the collection from being deleted until the transaction ends; False when it is gone."""
    statement = select(Collection.id).where(*_live(owner_id), Collection.id == collection_id)
    return session.scalar(statement.with_for_update(read=True)) is not None


def get_by_name(session: Session, owner_id: int, name: str) -> Collection | None:
    return session.scalar(select(Collection).where(*_live(owner_id), Collection.name == name))


def list_ids(session: Session, owner_id: int) -> frozenset[int]:
    return frozenset(session.scalars(select(Collection.id).where(*_live(owner_id))))


def add(session: Session, owner_id: int, name: str) -> Collection:
    """Inserts at once, so that a name taken in the meantime shows as IntegrityError."""
    row = Collection(owner_id=owner_id, name=name)
    session.add(row)
    session.flush()
    return row


def hide(session: Session, row: Collection) -> None:
    """Hides the collection and gives its name up at once; the row goes with its documents' rows.

    A name of the user's is printable, so the one that it leaves behind is in nobody's way.
    """
    session.execute(select(Collection.id).where(Collection.id == row.id).with_for_update())
    row.name, row.deleted_at = f"\x7f{row.id}", utc_now()
    session.flush()


def _live(owner_id: int) -> tuple[ColumnElement[bool], ...]:
    return Collection.owner_id == owner_id, Collection.deleted_at.is_(None)
