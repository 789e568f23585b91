"""Document versions, copies kept on purpose, and collections that are hidden before they are purged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
LIVE = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    op.add_column("collections", sa.Column("deleted_at", TIME, nullable=True))
    op.add_column("documents", sa.Column("copy", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("documents", sa.Column("ready_version", sa.Integer(), nullable=True))
    op.execute("UPDATE documents SET ready_version = version WHERE status = 'ready' AND deleted_at IS NULL")
    op.drop_index("uq_documents_collection_id_sha256", table_name="documents")
    op.create_index(
        "uq_documents_collection_id_sha256_copy",
        "documents",
        ["collection_id", "sha256", "copy"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )
    _create_versions()
    _number_the_pages_of_versions()


def _create_versions() -> None:
    op.create_table(
        "document_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("file_name", sa.String(length=1000), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=200), nullable=True),
        sa.Column("page_count", sa.Integer(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ready_at", TIME, nullable=True),
        sa.Column("replaced_at", TIME, nullable=True),
        sa.Column("purged_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_document_versions_owner_id")),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
            name=op.f("fk_document_versions_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document_versions")),
        sa.UniqueConstraint("document_id", "number", name=op.f("uq_document_versions_document_id_number")),
        sqlite_autoincrement=True,
    )
    for column in ("document_id", "sha256"):
        op.create_index(op.f(f"ix_document_versions_{column}"), "document_versions", [column], unique=False)
    op.execute(
        "INSERT INTO document_versions (owner_id, document_id, number, state, file_name, sha256, size_bytes,"
        " media_type, page_count, created_at, ready_at)"
        " SELECT owner_id, id, version, CASE WHEN status = 'ready' THEN 'current' ELSE 'pending' END,"
        " file_name, sha256, size_bytes, media_type, page_count, created_at,"
        " CASE WHEN status = 'ready' THEN updated_at END FROM documents WHERE deleted_at IS NULL"
    )


def _number_the_pages_of_versions() -> None:
    op.add_column("document_pages", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.execute(
        "UPDATE document_pages SET version = (SELECT version FROM documents WHERE id = document_id)"
        " WHERE document_id IN (SELECT id FROM documents WHERE version <> 1)"
    )
    with op.batch_alter_table("document_pages", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_constraint("uq_document_pages_document_id_number", type_="unique")
        batch.create_unique_constraint(
            "uq_document_pages_document_id_version_number", ["document_id", "version", "number"]
        )
