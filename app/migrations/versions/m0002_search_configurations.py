"""Saved retrieval configurations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "search_configurations",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.Column("adoption", sa.JSON(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("adopted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_search_configurations_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_configurations")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_search_configurations_owner_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_search_configurations_owner_id"), "search_configurations", ["owner_id"], unique=False
    )
