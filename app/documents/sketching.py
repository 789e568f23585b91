"""Sketches of documents that an older release read, made from their stored text: nothing is read again.

Without one a document is compared with no other (decision 0023). The worker makes them while it has nothing
else to do, `footnote doctor --fix` all at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, sessionmaker

from app.db import WriteLock, take_lock
from app.documents import alike, repository
from app.tables import Document, DocumentPage
from ingest.likeness import MAX_CHARS, sketch

PAGES_AT_ONCE = 50


def missing(session: Session) -> Sequence[int]:
    """Ids of the documents that answer and were never compared with others."""
    return session.scalars(_missing()).all()


def sketch_next(sessions: sessionmaker[Session]) -> bool:
    """Compares one such document with the others; False when there is none."""
    with sessions() as session:  # looking and reading cost no turn of a writer
        row = session.execute(
            _missing().with_only_columns(Document.id, Document.ready_version).limit(1)
        ).first()
        if row is None:
            return False
        document_id, version = row
        assert version is not None  # the statement asked for that
        found = sketch(_text(session, document_id, version))
    with sessions.begin() as session:
        document = repository.lock(session, document_id)
        take_lock(session, WriteLock.INDEX_LOG)  # in this order, as where a document is stored
        if document is not None and document.ready_version == version and document.sketch is None:
            alike.note(session, document, found)
    return True


def sketch_all(sessions: sessionmaker[Session]) -> None:
    """Leaves no document without."""
    while sketch_next(sessions):
        pass


def _missing() -> Select[int]:
    return (
        select(Document.id)
        .where(Document.deleted_at.is_(None), Document.ready_version.is_not(None), Document.sketch.is_(None))
        .order_by(Document.id)
    )


def _text(session: Session, document_id: int, version: int) -> str:
    """The stored text, as far as it is compared."""
    pages = session.scalars(
        select(DocumentPage.text)
        .where(DocumentPage.document_id == document_id, DocumentPage.version == version)
        .order_by(DocumentPage.number)
        .execution_options(yield_per=PAGES_AT_ONCE)
    )
    texts, length = list[str](), 0
    for text in pages:
        texts.append(text)
        length += len(text)
        if length >= MAX_CHARS:
            break
    return "".join(texts)
