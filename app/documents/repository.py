"""SQL of documents, pages and chunks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from app.tables import ChunkRow, Document, DocumentPage, DocumentVersion, Job, VectorRow

Status = Literal["queued", "processing", "ready", "failed"]

IDS_A_STATEMENT = 10_000  # below the most parameters that both databases take

BYTES_NEEDED = (
    Document.deleted_at.is_(None),
    DocumentVersion.purged_at.is_(None),
    DocumentVersion.state != "dropped",
)
UNREAD = (Document.deleted_at.is_(None), Document.status.not_in(["ready", "failed"]))


def live_statement(owner_id: int) -> Select[Document]:
    return select(Document).where(Document.owner_id == owner_id, Document.deleted_at.is_(None))


def get(session: Session, owner_id: int, document_id: int) -> Document | None:
    return session.scalar(live_statement(owner_id).where(Document.id == document_id))


def lock(session: Session, document_id: int) -> Document | None:
    """The live row, held until the transaction ends: deletion and completion take turns on it.

    Rows that refer to it may be added meanwhile: one that says how a document is like it is written under the
    lock of the index log, for which the holder of this row may be waiting.
    """
    return session.scalar(
        select(Document)
        .where(Document.id == document_id, Document.deleted_at.is_(None))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def get_by_sha256(session: Session, collection_id: int, sha256: str) -> Document | None:
    """The oldest document of the collection whose newest version has these bytes.

    Those of an older version do not count, though it may still answer: they go when the newest has been read.
    """
    return session.scalar(
        select(Document)
        .where(
            Document.collection_id == collection_id,
            Document.sha256 == sha256,
            Document.deleted_at.is_(None),
        )
        .order_by(Document.id)
        .limit(1)
    )


def get_by_name(session: Session, collection_id: int, file_name: str) -> Document | None:
    """The newest document of the collection with this file name."""
    return session.scalar(
        select(Document)
        .where(
            Document.collection_id == collection_id,
            Document.file_name == file_name,
            Document.deleted_at.is_(None),
        )
        .order_by(Document.id.desc())
        .limit(1)
    )


def sha256_in_use(session: Session, sha256: str) -> bool:
    """Whether a live document needs these bytes, for its newest version or for one that is kept."""
    statement = (
        select(DocumentVersion.id)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(DocumentVersion.sha256 == sha256, *BYTES_NEEDED)
        .limit(1)
    )
    return session.scalar(statement) is not None


def used_digests(session: Session) -> dict[str, int]:
    """The SHA-256 of every file that must be stored, with its size in bytes."""
    statement = (
        select(DocumentVersion.sha256, DocumentVersion.size_bytes)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(*BYTES_NEEDED)
    )
    return dict(session.execute(statement).all())


def list_page(
    session: Session,
    owner_id: int,
    *,
    collection_id: int | None,
    status: Status | None,
    limit: int,
    offset: int,
) -> tuple[Sequence[Document], int]:
    """One page, newest first, and the number of all matches."""
    statement = live_statement(owner_id)
    if collection_id is not None:
        statement = statement.where(Document.collection_id == collection_id)
    if status is not None:
        statement = statement.where(Document.status == status)
    total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    rows = session.scalars(statement.order_by(Document.id.desc()).limit(limit).offset(offset)).all()
    return rows, total


def list_of_collection(session: Session, owner_id: int, collection_id: int) -> Sequence[Document]:
    statement = live_statement(owner_id).where(Document.collection_id == collection_id)
    return session.scalars(statement.order_by(Document.id)).all()


def parts(ids: Iterable[int], most: int = IDS_A_STATEMENT) -> list[list[int]]:
    """The ids, each once and in order, as many together as one statement may name."""
    ordered = sorted(set(ids))
    return [ordered[start : start + most] for start in range(0, len(ordered), most)]


def list_by_ids(session: Session, document_ids: Iterable[int]) -> Sequence[Document]:
    statements = (select(Document).where(Document.id.in_(part)) for part in parts(document_ids))
    return [row for statement in statements for row in session.scalars(statement)]


def unread_ids(session: Session, document_ids: Iterable[int]) -> set[int]:
    """Those of the documents that wait or are being read."""
    return set(session.scalars(select(Document.id).where(Document.id.in_(list(document_ids)), *UNREAD)))


def owned_ids(session: Session, owner_id: int, document_ids: Iterable[int]) -> frozenset[int]:
    statement = select(Document.id).where(
        Document.owner_id == owner_id, Document.deleted_at.is_(None), Document.id.in_(list(document_ids))
    )
    return frozenset(session.scalars(statement))


def latest_jobs(session: Session, document_ids: Sequence[int]) -> dict[int, Job]:
    """Each document's newest job."""
    newest = select(func.max(Job.id)).where(Job.document_id.in_(document_ids)).group_by(Job.document_id)
    return {job.document_id: job for job in session.scalars(select(Job).where(Job.id.in_(newest)))}


def get_page(session: Session, document_id: int, version: int, number: int) -> DocumentPage | None:
    return session.scalar(
        select(DocumentPage).where(
            DocumentPage.document_id == document_id,
            DocumentPage.version == version,
            DocumentPage.number == number,
        )
    )


def purge_content(session: Session, document_id: int, version: int) -> None:
    """Removes the document's chunks and vectors, whatever version they are of, and this version's pages."""
    purge_chunks(session, document_id)
    session.execute(
        delete(DocumentPage).where(DocumentPage.document_id == document_id, DocumentPage.version == version)
    )


def purge_chunks(session: Session, document_id: int) -> None:
    """Removes chunks and vectors."""
    chunk_ids = select(ChunkRow.id).where(ChunkRow.document_id == document_id)
    session.execute(delete(VectorRow).where(VectorRow.chunk_id.in_(chunk_ids)))
    session.execute(delete(ChunkRow).where(ChunkRow.document_id == document_id))


def count_by_status(session: Session) -> dict[str, int]:
    statement = (
        select(Document.status, func.count()).where(Document.deleted_at.is_(None)).group_by(Document.status)
    )
    return dict(session.execute(statement).all())
