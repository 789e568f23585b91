"""Documents with the same or nearly the same text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("documents", sa.Column("sketch", sa.LargeBinary(), nullable=True))
    op.create_table(
        "document_bands",
        sa.Column("id", ID, nullable=False),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_document_bands_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_bands")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_document_bands_document_id"), "document_bands", ["document_id"])
    op.create_index(
        "ix_document_bands_collection_id_value_document_id",
        "document_bands",
        ["collection_id", "value", "document_id"],
    )
    op.create_table(
        "document_likenesses",
        sa.Column("id", ID, nullable=False),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("other_id", ID, nullable=False),
        sa.Column("likeness", sa.Float(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [name],
                ["documents.id"],
                name=op.f(f"fk_document_likenesses_{name}"),
                ondelete="CASCADE",
            )
            for name in ("document_id", "other_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_likenesses")),
        sqlite_autoincrement=True,
    )
    for name in ("document_id", "other_id"):
        op.create_index(op.f(f"ix_document_likenesses_{name}"), "document_likenesses", [name])
