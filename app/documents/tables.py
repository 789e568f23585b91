"""Tables of what documents have in common; what they are made of is in `app.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.tables import NEVER_REUSED, Base, Id


class DocumentBand(Base):
    """A band of a document's sketch: documents of a collection with an equal one may be nearly the same."""

    __tablename__ = "document_bands"
    __table_args__ = (
        Index("ix_document_bands_collection_id_value_document_id", "collection_id", "value", "document_id"),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    collection_id: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[int] = mapped_column(BigInteger)


class DocumentLikeness(Base):
    """Two documents of a collection with the same or nearly the same text; found when the first was read."""

    __tablename__ = "document_likenesses"
    __table_args__ = (NEVER_REUSED,)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    likeness: Mapped[float] = mapped_column(Float)  # estimated share of word runs in common, 0 to 1
