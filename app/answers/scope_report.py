"""What a question could and could not see: counts and names of the documents in its scope. SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session

from app.answers.types import Command, Coverage, FailedFile, Filters, PendingFile
from app.tables import Collection, Document
from retrieval.types import AccessFilter

SHOWN_FILES = 20
PENDING = ("queued", "processing")


def coverage(session: Session, access: AccessFilter) -> Coverage:
    """Documents in scope: searched, still being read, failed."""
    status = case((Document.ready_version.is_not(None), "ready"), else_=Document.status)
    grouped = select(status, func.count()).where(*_visible(access)).group_by(status)
    counts = {row[0]: row[1] for row in session.execute(grouped)}
    pending = sum(counts.get(status, 0) for status in PENDING)
    return Coverage(counts.get("ready", 0), pending, counts.get("failed", 0))


def failed_files(session: Session, access: AccessFilter) -> tuple[FailedFile, ...]:
    """Files in scope that could not be read, latest first, `SHOWN_FILES` at most."""
    statement = select(Document).where(*_visible(access), Document.status == "failed")
    rows = session.scalars(statement.order_by(Document.id.desc()).limit(SHOWN_FILES))
    return tuple(
        FailedFile(row.id, row.file_name, (row.error or {}).get("code"), (row.error or {}).get("cause"))
        for row in rows
    )


def pending_files(session: Session, access: AccessFilter) -> tuple[PendingFile, ...]:
    """Files in scope that are still being read, oldest first, `SHOWN_FILES` at most."""
    statement = select(Document).where(*_visible(access), Document.status.in_(PENDING))
    rows = session.scalars(statement.order_by(Document.id).limit(SHOWN_FILES))
    return tuple(PendingFile(row.id, row.file_name, row.status) for row in rows)


def filters(session: Session, command: Command) -> Filters:
    """Names of what the question was limited to; the ids have been checked to be the asker's."""
    return Filters(
        _names(session, select(Collection.name).where(Collection.id.in_(command.collection_ids or ()))),
        _names(session, select(Document.file_name).where(Document.id.in_(command.document_ids or ()))),
    )


def _names(session: Session, statement: Select[str]) -> tuple[str, ...]:
    return tuple(sorted(session.scalars(statement.limit(SHOWN_FILES))))


def _visible(access: AccessFilter) -> list[ColumnElement[bool]]:
    """What holds for documents that this question may see."""
    seen: list[ColumnElement[bool]] = [
        Document.collection_id.in_(access.collection_ids),
        Document.deleted_at.is_(None),
    ]
    return seen if access.document_ids is None else [*seen, Document.id.in_(access.document_ids)]
