"""What watched folders gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "folder_files",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("document_id", sa.BigInteger(), nullable=True),
        sa.Column("owns", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_folder_files_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folder_files")),
        sa.UniqueConstraint(
            "collection_id",
            "folder",
            "path",
            name=op.f("uq_folder_files_collection_id_folder_path"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_folder_files_document_id"), "folder_files", ["document_id"], unique=False)
