"""What a corpus question reads from SQL: documents in scope, their text, their passages."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.documents.index_sync import load_chunks
from app.documents.repository import parts
from app.tables import ChunkRow, Document, DocumentPage, DocumentVersion
from retrieval.types import AccessFilter, Chunk

TABLE_ENDINGS = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".xlsm", ".xlsb")
MOST_TABLES = 20  # documents whose rows one question may read
MOST_TABLE_CHARACTERS = 10_000_000  # of their text together: some 100,000 rows, a second of reading
TITLE_WITHIN = 500  # characters from the beginning
MOST_WORD_DOCUMENTS = 2000  # documents whose text one question may look through


def ready_documents(session: Session, access: AccessFilter) -> list[Document]:
    """Documents in scope that can be read, in the order of their ids."""
    statement = select(Document).where(
        Document.collection_id.in_(access.collection_ids),
        Document.deleted_at.is_(None),
        Document.ready_version.is_not(None),
    )
    if access.document_ids is not None:
        statement = statement.where(Document.id.in_(access.document_ids))
    return list(session.scalars(statement.order_by(Document.id)))


def titles_of(session: Session, documents: Sequence[Document]) -> dict[int, str]:
    """The first heading of each document that has one at its beginning."""
    current = select(DocumentVersion.document_id, DocumentVersion.outline).where(
        DocumentVersion.state == "current"
    )
    first = {
        id_: outline["headings"][:1]
        for ids in parts(each.id for each in documents)
        for id_, outline in session.execute(current.where(DocumentVersion.document_id.in_(ids)))
        if outline
    }
    return {id_: found[0][1] for id_, found in first.items() if found and found[0][2] <= TITLE_WITHIN}


def count_passages(session: Session, documents: Sequence[Document]) -> int:
    """Passages of these documents."""
    count = select(func.count()).select_from(ChunkRow)
    return sum(
        session.scalar(count.where(ChunkRow.document_id.in_(ids))) or 0
        for ids in parts(each.id for each in documents)
    )


def text_of(session: Session, document: Document) -> str:
    """The text that offsets refer to."""
    pages = (
        select(DocumentPage.text)
        .where(DocumentPage.document_id == document.id, DocumentPage.version == document.ready_version)
        .order_by(DocumentPage.number)
    )
    return "".join(session.scalars(pages))


def tables_among(session: Session, documents: Sequence[Document]) -> tuple[list[Document], int]:
    """The spreadsheets and delimited files whose rows one question may read, and how many it may not."""
    every = [each for each in documents if each.file_name.casefold().endswith(TABLE_ENDINGS)]
    tables = every[:MOST_TABLES]
    ends = (
        select(DocumentPage.document_id, func.max(DocumentPage.end))
        .join(Document, Document.id == DocumentPage.document_id)
        .where(
            DocumentPage.document_id.in_([each.id for each in tables]),
            DocumentPage.version == Document.ready_version,
        )
        .group_by(DocumentPage.document_id)
    )
    characters: dict[int, int] = {row[0]: row[1] for row in session.execute(ends)}
    read, total = [], 0
    for each in tables:
        with_it = total + characters.get(each.id, 0)
        if with_it <= MOST_TABLE_CHARACTERS:  # one that is refused takes no room from those behind it
            read.append(each)
            total = with_it
    return read, len(every) - len(read)


def passages_at(session: Session, user: Account, document_id: int, places: Sequence[int]) -> dict[int, Chunk]:
    """The passage that holds each place of a document's text, where one does."""
    rows = session.execute(
        select(ChunkRow.id, ChunkRow.start, ChunkRow.end).where(ChunkRow.document_id == document_id)
    ).all()
    chosen = {place: next((row.id for row in rows if row.start <= place < row.end), None) for place in places}
    chunks = load_chunks(session, user)([chunk_id for chunk_id in chosen.values() if chunk_id is not None])
    return {place: chunks[at] for place, at in chosen.items() if at is not None and at in chunks}


def first_passages(session: Session, user: Account, document_id: int, most: int) -> list[Chunk]:
    """The passages at the beginning of a document."""
    ids = (
        select(ChunkRow.id).where(ChunkRow.document_id == document_id).order_by(ChunkRow.position).limit(most)
    )
    found = list(session.scalars(ids))
    chunks = load_chunks(session, user)(found)
    return [chunks[chunk_id] for chunk_id in found if chunk_id in chunks]
