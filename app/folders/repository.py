"""SQL of `folder_files`: what a folder has given to a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.documents.repository import UNREAD
from app.tables import Document, FolderFile


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder and the collection that it feeds."""

    owner_id: int
    collection_id: int
    folder: str

    def rows(self) -> Select[FolderFile]:
        return select(FolderFile).where(
            FolderFile.owner_id == self.owner_id,
            FolderFile.collection_id == self.collection_id,
            FolderFile.folder == self.folder,
        )


def list_files(session: Session, watched: Watched) -> Sequence[FolderFile]:
    return session.scalars(watched.rows()).all()


def get(session: Session, watched: Watched, path: str) -> FolderFile | None:
    return session.scalar(watched.rows().where(FolderFile.path == path))


def another_file(session: Session, watched: Watched, row: FolderFile) -> FolderFile | None:
    """One that has the same document."""
    others = watched.rows().where(FolderFile.document_id == row.document_id, FolderFile.id != row.id)
    return session.scalars(others.order_by(FolderFile.path).limit(1)).first()


def pending_documents(session: Session, watched: Watched) -> list[int]:
    """Documents of the folder that have not been read yet."""
    statement = (
        watched.rows()
        .join(Document, Document.id == FolderFile.document_id)
        .where(*UNREAD)
        .with_only_columns(Document.id)
        .distinct()
    )
    return list(session.scalars(statement))


def count_of_document(session: Session, document_id: int) -> int:
    """How many files, of any folder, this document stands for."""
    statement = select(func.count()).select_from(FolderFile).where(FolderFile.document_id == document_id)
    return session.scalar(statement) or 0
