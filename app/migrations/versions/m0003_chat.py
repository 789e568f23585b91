"""Replaced messages, feedback, who writes an answer, and shared conversations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for column in (
        sa.Column("writer", sa.String(length=300)),
        sa.Column("replaces_id", sa.BigInteger()),
        sa.Column("replaced_by_id", sa.BigInteger()),
        sa.Column("rating", sa.String(length=10)),
        sa.Column("comment", sa.Text()),
        sa.Column("rated_at", TIME),
    ):
        op.add_column("messages", column)
    _create_shares()


def _create_shares() -> None:
    op.create_table(
        "shares",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("last_message_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_shares_owner_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_shares_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shares")),
        sa.UniqueConstraint("conversation_id", name=op.f("uq_shares_conversation_id")),
        sa.UniqueConstraint("token", name=op.f("uq_shares_token")),
        sqlite_autoincrement=True,
    )
