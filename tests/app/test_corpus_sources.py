"""What corpus questions read from SQL, on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import select

from app.accounts.types import Account
from app.answers.corpus_sources import count_passages, titles_of
from app.db import Sessions
from app.documents.blobs import BlobStore
from app.tables import ChunkRow, Document, DocumentVersion
from tests.app.factories import upload

MORE_THAN_A_STATEMENT_TAKES = 70_000  # parameters: PostgreSQL counts them in 16 bits


def test_passages_and_titles_of_any_number_of_documents(
    sessions: Sessions, blobs: BlobStore, user: Account
) -> None:
    for title in ("First", "Last"):
        upload(sessions, blobs, user, title.encode(), file_name=f"{title}.txt")
    with sessions.begin() as session:
        for version in session.scalars(select(DocumentVersion)):
            version.state, version.outline = "current", {"headings": [[1, version.file_name, 0]]}
        for document in session.scalars(select(Document)):
            session.add_all(passages(document))
    with sessions() as session:
        first, last = session.scalars(select(Document).order_by(Document.id))
        others = [Document(id=last.id + number) for number in range(1, MORE_THAN_A_STATEMENT_TAKES)]
        documents = [first, *others, last]
        assert count_passages(session, documents) == 4
        assert count_passages(session, [last]) == 2
        assert titles_of(session, documents) == {first.id: "First.txt", last.id: "Last.txt"}


def passages(document: Document) -> list[ChunkRow]:
    return [
        ChunkRow(
            owner_id=document.owner_id,
            collection_id=document.collection_id,
            document_id=document.id,
            position=position,
            start=position,
            end=position + 1,
            text="x",
            tokens=1,
        )
        for position in range(2)
    ]
