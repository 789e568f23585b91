"""Eval sets with questions and corpora, results of runs, progress and lease of a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_sets()
    _create_cases()
    _create_corpus()
    _extend_runs()
    _create_results()


def _create_sets() -> None:
    op.create_table(
        "eval_sets",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_eval_sets_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eval_sets")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_eval_sets_owner_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_eval_sets_owner_id"), "eval_sets", ["owner_id"], unique=False)


def _create_cases() -> None:
    op.create_table(
        "eval_cases",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("set_id", ID, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("answerable", sa.Boolean(), nullable=True),
        sa.Column("gold", sa.JSON(), nullable=False),
        sa.Column("passages", sa.JSON(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_eval_cases_owner_id")),
        sa.ForeignKeyConstraint(
            ["set_id"], ["eval_sets.id"], name=op.f("fk_eval_cases_set_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eval_cases")),
        sa.UniqueConstraint("set_id", "key", name=op.f("uq_eval_cases_set_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_eval_cases_set_id"), "eval_cases", ["set_id"], unique=False)


def _create_corpus() -> None:
    op.create_table(
        "eval_corpus",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("set_id", ID, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_eval_corpus_owner_id")),
        sa.ForeignKeyConstraint(
            ["set_id"], ["eval_sets.id"], name=op.f("fk_eval_corpus_set_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eval_corpus")),
        sa.UniqueConstraint("set_id", "key", name=op.f("uq_eval_corpus_set_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_eval_corpus_set_id"), "eval_corpus", ["set_id"], unique=False)


def _extend_runs() -> None:
    """Runs of the first release ran on files: they have no set, no progress and no holder."""
    for column in (
        sa.Column("set_id", sa.BigInteger(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("total", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("leased_by", sa.String(length=200), nullable=True),
        sa.Column("lease_expires_at", TIME, nullable=True),
    ):
        op.add_column("eval_runs", column)
    op.create_index(op.f("ix_eval_runs_set_id"), "eval_runs", ["set_id"], unique=False)


def _create_results() -> None:
    op.create_table(
        "eval_results",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner_id", ID, nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("case_key", sa.String(length=200), nullable=False),
        sa.Column("variant", sa.String(length=50), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_eval_results_owner_id")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["eval_runs.id"], name=op.f("fk_eval_results_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eval_results")),
        sa.UniqueConstraint(
            "run_id", "case_key", "variant", name=op.f("uq_eval_results_run_id_case_key_variant")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_eval_results_run_id"), "eval_results", ["run_id"], unique=False)
