"""Documents of a collection with the same or nearly the same text: found when one is read, shown on both.

Each reading looks at the latest candidates only, so that a collection of ten thousand copies costs no more
than one of two. The caller owns the transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Select, delete, insert, or_, select, union_all
from sqlalchemy.orm import Session

from app.documents.tables import DocumentBand, DocumentLikeness
from app.tables import Document
from ingest.likeness import ALIKE, Sketch, bands, likeness

CANDIDATES_A_BAND = 10
MOST_NOTED = 10  # for one document; of a text that is there a hundred times ten say enough


@dataclass(frozen=True, slots=True)
class Alike:
    """Another document of the collection, and how much of the text is the same."""

    document_id: int
    file_name: str
    likeness: float
    same_bytes: bool


def note(session: Session, document: Document, sketch: Sketch | None) -> None:
    """Takes the place of what was known of the version before. A text without a word is like no other.

    Call it while holding the lock of the index log: of two documents that are stored at once the second then
    finds the first.
    """
    forget(session, [document.id])
    document.sketch = b"" if sketch is None else sketch.astype("<u4").tobytes()
    if sketch is None:
        return
    values = bands(sketch)
    found = [
        {"document_id": document.id, "other_id": other_id, "likeness": share}
        for other_id, share in _nearest(session, document, sketch, values)
    ]
    if found:
        session.execute(insert(DocumentLikeness), found)
    rows = [
        {"document_id": document.id, "collection_id": document.collection_id, "value": value}
        for value in values
    ]
    session.execute(insert(DocumentBand), rows)


def forget(session: Session, document_ids: Iterable[int]) -> None:
    """Removes what is known of these documents, and of others about them."""
    ids = list(document_ids)
    session.execute(delete(DocumentBand).where(DocumentBand.document_id.in_(ids)))
    pairs = or_(DocumentLikeness.document_id.in_(ids), DocumentLikeness.other_id.in_(ids))
    session.execute(delete(DocumentLikeness).where(pairs))


def of_documents(session: Session, document_ids: Sequence[int]) -> dict[int, list[Alike]]:
    """For each of the documents those that are alike and still there, the most alike first."""
    pair = DocumentLikeness
    both_ways = union_all(
        select(pair.document_id.label("one"), pair.other_id.label("other"), pair.likeness).where(
            pair.document_id.in_(document_ids)
        ),
        select(pair.other_id.label("one"), pair.document_id.label("other"), pair.likeness).where(
            pair.other_id.in_(document_ids)
        ),
    ).subquery()
    mine = select(Document.id, Document.sha256).where(Document.id.in_(document_ids)).subquery()
    statement = (
        select(
            both_ways.c.one,
            Document.id,
            Document.file_name,
            both_ways.c.likeness,
            Document.sha256 == mine.c.sha256,
        )
        .join(Document, Document.id == both_ways.c.other)
        .join(mine, mine.c.id == both_ways.c.one)
        .where(Document.deleted_at.is_(None))
        .order_by(both_ways.c.likeness.desc(), Document.id)
    )
    found: dict[int, list[Alike]] = defaultdict(list)
    for one, *other in session.execute(statement):
        found[one].append(Alike(*other))
    return found


def _nearest(
    session: Session, document: Document, sketch: Sketch, values: Sequence[int]
) -> list[tuple[int, float]]:
    """Ids and likeness of the most alike, the latest first among equals."""
    candidates = union_all(*(_latest_with(document, value).subquery().select() for value in values))
    statement = select(Document.id, Document.sketch).where(
        Document.id.in_(candidates), Document.deleted_at.is_(None), Document.sketch.is_not(None)
    )
    shares = [
        (other_id, likeness(sketch, np.frombuffer(stored or b"", "<u4")))
        for other_id, stored in session.execute(statement)
    ]
    alike = [(other_id, share) for other_id, share in shares if share >= ALIKE]
    return sorted(alike, key=lambda each: (each[1], each[0]), reverse=True)[:MOST_NOTED]


def _latest_with(document: Document, value: int) -> Select[int]:
    return (
        select(DocumentBand.document_id)
        .where(DocumentBand.collection_id == document.collection_id, DocumentBand.value == value)
        .order_by(DocumentBand.document_id.desc())
        .limit(CANDIDATES_A_BAND)
    )
