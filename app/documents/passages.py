"""How a document was cut: the passages that search and answers see, in the order of its text."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.documents.passage_schemas import PassageList, PassageOut, PassageQuery
from app.documents.service import get_row
from app.tables import ChunkRow


def list_passages(session: Session, user: Account, document_id: int, query: PassageQuery) -> PassageList:
    """One part of them; none while no version has been read. Raises DocumentNotFound."""
    document = get_row(session, user, document_id)
    statement = select(ChunkRow).where(ChunkRow.document_id == document.id)
    if query.page is not None:
        statement = statement.where(
            ChunkRow.page_first <= query.page,
            func.coalesce(ChunkRow.page_last, ChunkRow.page_first) >= query.page,
        )
    total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    rows = session.scalars(statement.order_by(ChunkRow.position).limit(query.limit).offset(query.offset))
    return PassageList(version=document.ready_version, total=total, items=[_shown(row) for row in rows])


def _shown(row: ChunkRow) -> PassageOut:
    return PassageOut(
        chunk_id=row.id,
        position=row.position,
        page_first=row.page_first,
        page_last=row.page_last,
        headings=row.headings,
        start=row.start,
        end=row.end,
        tokens=row.tokens,
        text=row.text,
    )
