"""What has become of the documents that citations rest on: still current, replaced, or deleted. SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.tables import CitationRow, Document, DocumentVersion, IndexChangeRow


@dataclass(frozen=True, slots=True)
class CitedDocument:
    """The cited version today; the words that a citation quotes stay whatever happens to it."""

    state: Literal["current", "replaced", "deleted"]
    version_now: int | None  # what answers questions in its place
    since: datetime | None  # replaced or deleted at
    readable: bool  # the version's pages and bytes are still here


def explain(session: Session, rows: Sequence[CitationRow]) -> None:
    """Sets `document` of each citation."""
    ids = {row.document_id for row in rows}
    answering = _answering(session, ids)
    versions = _versions(session, answering)
    deleted = _deleted(session, ids - answering.keys())
    for row in rows:
        version = versions.get((row.document_id, row.document_version))
        row.document = _state(row, answering, version, deleted.get(row.document_id))


def _state(
    row: CitationRow,
    answering: Mapping[int, int | None],
    version: DocumentVersion | None,
    deleted_at: datetime | None,
) -> CitedDocument:
    if row.document_id not in answering:
        return CitedDocument("deleted", None, deleted_at, readable=False)
    now = answering[row.document_id]
    readable = version is not None and version.purged_at is None
    if row.document_version == now:
        return CitedDocument("current", now, None, readable)
    return CitedDocument("replaced", now, None if version is None else version.replaced_at, readable)


def _answering(session: Session, ids: Collection[int]) -> dict[int, int | None]:
    """The ready version of each document that is still there."""
    live = select(Document.id, Document.ready_version).where(
        Document.id.in_(ids), Document.deleted_at.is_(None)
    )
    return dict(session.execute(live).all())


def _versions(session: Session, ids: Collection[int]) -> dict[tuple[int, int], DocumentVersion]:
    rows = session.scalars(select(DocumentVersion).where(DocumentVersion.document_id.in_(ids)))
    return {(row.document_id, row.number): row for row in rows}


def _deleted(session: Session, ids: Collection[int]) -> dict[int, datetime]:
    """When each was deleted: the index log remembers it after the rows are gone."""
    deletions = select(IndexChangeRow.document_id, func.max(IndexChangeRow.created_at)).where(
        IndexChangeRow.document_id.in_(ids), IndexChangeRow.action == "delete"
    )
    return dict(session.execute(deletions.group_by(IndexChangeRow.document_id)).all())
