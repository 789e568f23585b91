"""Versions of a document: a new one is read beside the one that answers, and takes its place when ready.

The document's own row describes the newest version and its status; `ready_version` says which one answers.
The caller owns the transaction and holds the document's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.jobs import repository as jobs
from app.tables import Document, DocumentVersion, utc_now

VersionState = Literal["pending", "current", "replaced", "dropped"]
"""dropped: never read, given up for a newer one or by a person; swept with its bytes."""


def add_first(session: Session, document: Document, password: str | None = None) -> None:
    """The version row of a document that has just been inserted."""
    session.add(_row(document, password))
    session.flush()


def begin(
    session: Session,
    document: Document,
    file_name: str,
    sha256: str,
    size_bytes: int,
    password: str | None = None,
) -> int:
    """Queues a file as the document's next version; returns the job's id.

    What is ready goes on answering. A version that was still waiting, being read or failed gives way. The
    same bytes open with the same password.
    """
    if password is None and document.sha256 == sha256:
        password = password_of(session, document)
    drop_pending(session, document)
    document.version = _next_number(session, document.id)
    _set_bytes(session, document, file_name, sha256, size_bytes)
    document.status, document.error = "queued", None
    session.add(_row(document, password))
    session.flush()
    return jobs.enqueue(session, document.owner_id, document.id).id


def drop_pending(session: Session, document: Document) -> bool:
    """Gives up a version that is not ready, with its job; False when there is none."""
    jobs.delete_of_document(session, document.id)
    dropped = session.execute(
        update(DocumentVersion)
        .where(DocumentVersion.document_id == document.id, DocumentVersion.state == "pending")
        .values(state="dropped")
        .returning(DocumentVersion.id)
    )
    return dropped.first() is not None


def go_back(session: Session, document: Document) -> bool:
    """Drops the pending version and describes the ready one again; False when there are not both."""
    ready = None if document.ready_version is None else get(session, document.id, document.ready_version)
    if ready is None or ready.number == document.version:
        return False
    drop_pending(session, document)
    document.version = ready.number
    _set_bytes(session, document, ready.file_name, ready.sha256, ready.size_bytes)
    document.status, document.error = "ready", None
    return True


def switch(session: Session, document: Document, outline: dict[str, Any]) -> None:
    """The newest version answers from this transaction on; the one before is kept as replaced."""
    session.execute(
        update(DocumentVersion)
        .where(
            DocumentVersion.document_id == document.id,
            DocumentVersion.state == "current",
            DocumentVersion.number != document.version,
        )
        .values(state="replaced", replaced_at=utc_now())
    )
    newest = session.scalars(select(DocumentVersion).where(*_newest(document))).one()
    newest.state, newest.ready_at = "current", utc_now()
    newest.outline = outline
    newest.media_type, newest.page_count = document.media_type, document.page_count
    document.ready_version = document.version


def rename(session: Session, document: Document) -> None:
    """Gives the newest version the document's file name: its file was moved, its bytes are the same."""
    session.execute(update(DocumentVersion).where(*_newest(document)).values(file_name=document.file_name))


def password_of(session: Session, document: Document) -> str | None:
    """What opens the newest version, as far as somebody said it."""
    return session.scalar(select(DocumentVersion.password).where(*_newest(document)))


def set_password(session: Session, document: Document, password: str) -> None:
    """For the next reading of the newest version."""
    session.execute(update(DocumentVersion).where(*_newest(document)).values(password=password))


def get(session: Session, document_id: int, number: int) -> DocumentVersion | None:
    return session.scalar(
        select(DocumentVersion).where(
            DocumentVersion.document_id == document_id,
            DocumentVersion.number == number,
            DocumentVersion.state != "dropped",
        )
    )


def list_of(session: Session, document_id: int) -> Sequence[DocumentVersion]:
    """Newest first, without those that were dropped."""
    statement = select(DocumentVersion).where(
        DocumentVersion.document_id == document_id, DocumentVersion.state != "dropped"
    )
    return session.scalars(statement.order_by(DocumentVersion.number.desc())).all()


def free_copy(session: Session, collection_id: int, sha256: str, *, but: int | None = None) -> int:
    """The smallest copy number that no other live document with these bytes has."""
    taken = set(
        session.scalars(
            select(Document.copy).where(
                Document.collection_id == collection_id,
                Document.sha256 == sha256,
                Document.deleted_at.is_(None),
                Document.id != (but or 0),
            )
        )
    )
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _set_bytes(session: Session, document: Document, file_name: str, sha256: str, size_bytes: int) -> None:
    """Digest and copy are unique together, and looking for a free copy writes what has been changed."""
    copy = free_copy(session, document.collection_id, sha256, but=document.id)
    document.file_name, document.sha256, document.size_bytes = file_name, sha256, size_bytes
    document.copy = copy


def _newest(document: Document) -> tuple[ColumnElement[bool], ...]:
    return (DocumentVersion.document_id == document.id, DocumentVersion.number == document.version)


def _next_number(session: Session, document_id: int) -> int:
    """One more than any that exists, dropped ones included until they are swept."""
    statement = select(func.max(DocumentVersion.number)).where(DocumentVersion.document_id == document_id)
    return (session.scalar(statement) or 0) + 1


def _row(document: Document, password: str | None) -> DocumentVersion:
    return DocumentVersion(
        owner_id=document.owner_id,
        document_id=document.id,
        number=document.version,
        file_name=document.file_name,
        sha256=document.sha256,
        size_bytes=document.size_bytes,
        password=password,
    )
