"""Tables of the evals: sets with their questions and corpora, and the result of every question of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from app.tables import NEVER_REUSED, Base, Id, UtcDateTime, utc_now


class EvalSet(Base):
    """Questions with what is expected of their answers."""

    __tablename__ = "eval_sets"
    __table_args__ = (UniqueConstraint("owner_id", "name"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    collection_id: Mapped[int | None] = mapped_column(BigInteger)  # may be deleted: a run says so
    file_sha256: Mapped[str | None] = mapped_column(String(64))  # as `footnote eval run FILE` read it
    edited: Mapped[bool] = mapped_column(default=False, server_default=false())  # otherwise than by its file
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class EvalCase(Base):
    """One question; `key` names it within its set, in files and in results."""

    __tablename__ = "eval_cases"
    __table_args__ = (UniqueConstraint("set_id", "key"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    set_id: Mapped[int] = mapped_column(ForeignKey("eval_sets.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(String(200))
    question: Mapped[str] = mapped_column(Text)
    history: Mapped[list[str]] = mapped_column(JSON, default=list)  # earlier questions, oldest first
    answers: Mapped[list[str]] = mapped_column(JSON, default=list)
    answerable: Mapped[bool | None] = mapped_column()  # None: nobody has said
    gold: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # Gold
    passages: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)  # asked instead of a search
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    status: Mapped[str] = mapped_column(String(20), default="ready")  # ready, review
    origin: Mapped[str] = mapped_column(String(20), default="written")  # written, file, generated, feedback
    notes: Mapped[list[str]] = mapped_column(JSON, default=list)  # why it waits for review
    message_id: Mapped[int | None] = mapped_column(BigInteger)  # of feedback; may be deleted
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class EvalCorpusRow(Base):
    """A document that a set brings along (BEIR, SQuAD): its questions are asked of these."""

    __tablename__ = "eval_corpus"
    __table_args__ = (UniqueConstraint("set_id", "key"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    set_id: Mapped[int] = mapped_column(ForeignKey("eval_sets.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text)


class EvalResult(Base):
    """What came back for one question of a run, and how it was scored."""

    __tablename__ = "eval_results"
    __table_args__ = (UniqueConstraint("run_id", "case_key", "variant"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("eval_runs.id", ondelete="CASCADE"), index=True)
    case_key: Mapped[str] = mapped_column(String(200))
    variant: Mapped[str] = mapped_column(String(50), default="")  # place or distractors of a sweep
    question: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(20))  # Outcome
    scores: Mapped[dict[str, float]] = mapped_column(JSON, default=dict)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
