"""SQLAlchemy tables. SQL is the truth; every row has an owner; indexes are views of these tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite only auto-increments INTEGER
NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}  # ids stay unique after deletes


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes on both databases; SQLite stores them naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class User(Base):
    __tablename__ = "users"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Collection(Base):
    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("owner_id", "name"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    evidence_threshold: Mapped[float | None] = mapped_column(Float)  # None: the setting
    min_sureness: Mapped[float | None] = mapped_column(Float)  # None: the setting
    gate: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # its last calibration
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    deleted_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime
    )  # hidden; the row goes with its documents


class Document(Base):
    """A document under one id, described as its newest version; `ready_version` is what answers questions.

    `deleted_at` hides it at once; its rows and bytes are purged right after, or by whoever sweeps next.
    """

    __tablename__ = "documents"
    __table_args__ = (
        Index(
            "uq_documents_collection_id_sha256_copy",
            "collection_id",
            "sha256",
            "copy",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        NEVER_REUSED,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"), index=True)
    file_name: Mapped[str] = mapped_column(String(1000))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str | None] = mapped_column(String(200))
    copy: Mapped[int] = mapped_column(Integer, default=0)  # above 0: the same bytes, kept twice on purpose
    version: Mapped[int] = mapped_column(Integer, default=1)
    ready_version: Mapped[int | None] = mapped_column(Integer)  # None until one has been read
    status: Mapped[str] = mapped_column(String(20), default="queued", index=True)  # of the newest version
    paged: Mapped[bool | None] = mapped_column()
    page_count: Mapped[int | None] = mapped_column(Integer)
    chunk_count: Mapped[int | None] = mapped_column(Integer)
    chunk_tokens: Mapped[int | None] = mapped_column(Integer)  # the size its chunks were cut to
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    sketch: Mapped[bytes | None] = mapped_column(
        LargeBinary, deferred=True
    )  # `ingest.likeness`; empty: no word
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # JobError
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DocumentVersion(Base):
    """One file that a document has been. Rows stay after their bytes: they explain old citations."""

    __tablename__ = "document_versions"
    __table_args__ = (UniqueConstraint("document_id", "number"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(10), default="pending")  # VersionState
    file_name: Mapped[str] = mapped_column(String(1000))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str | None] = mapped_column(String(200))
    page_count: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    replaced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    purged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # its pages and bytes are gone
    outline: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # headings and tables, to cut it again
    password: Mapped[str | None] = mapped_column(Text)  # opens the file; kept to read and draw it again


class DocumentPage(Base):
    """A page's slice of a version's text; joined in order they give the text that offsets refer to."""

    __tablename__ = "document_pages"
    __table_args__ = (UniqueConstraint("document_id", "version", "number"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    version: Mapped[int] = mapped_column(Integer, default=1)
    number: Mapped[int] = mapped_column(Integer)
    label: Mapped[str | None] = mapped_column(String(100))
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    width_pt: Mapped[float | None] = mapped_column(Float)
    height_pt: Mapped[float | None] = mapped_column(Float)
    boxes: Mapped[bytes | None] = mapped_column(LargeBinary)  # zlib of little-endian float32 [T, 4], points


class ChunkRow(Base):
    """A passage; `id` is the one id space of SQL, FAISS, BM25 and citations."""

    __tablename__ = "chunks"
    __table_args__ = (UniqueConstraint("document_id", "position"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id"), index=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    page_first: Mapped[int | None] = mapped_column(Integer)
    page_last: Mapped[int | None] = mapped_column(Integer)
    headings: Mapped[list[str]] = mapped_column(JSON, default=list)
    tokens: Mapped[int] = mapped_column(Integer)


class VectorRow(Base):
    __tablename__ = "vectors"

    chunk_id: Mapped[int] = mapped_column(
        Id, ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    encoder_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)  # little-endian float32 [C]


class EncoderRow(Base):
    """An encoder whose vectors are stored: the active one answers, another may be built beside it."""

    __tablename__ = "encoders"

    id: Mapped[str] = mapped_column(String(200), primary_key=True)  # name and revision
    name: Mapped[str] = mapped_column(String(1000))  # what FOOTNOTE_ENCODER calls it; empty: not known
    dimension: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(10))  # EncoderState
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class FolderFile(Base):
    """A file that a watched folder gave to a collection, as it looked then."""

    __tablename__ = "folder_files"
    __table_args__ = (UniqueConstraint("collection_id", "folder", "path"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    collection_id: Mapped[int] = mapped_column(BigInteger)  # no foreign key: collections are purged freely
    folder: Mapped[str] = mapped_column(Text)  # absolute
    path: Mapped[str] = mapped_column(Text)  # inside the folder, with /
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    document_id: Mapped[int | None] = mapped_column(BigInteger, index=True)  # None: it was refused
    owns: Mapped[bool] = mapped_column()  # False: the document was there before, and stays
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class IndexChangeRow(Base):
    """The ordered log that every index applies; ids follow commit order (writers take a lock)."""

    __tablename__ = "index_changes"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    document_id: Mapped[int] = mapped_column(BigInteger, index=True)  # no foreign key: outlives the document
    action: Mapped[str] = mapped_column(String(10))  # add, delete
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Job(Base):
    """Work for the worker process, leased by one worker at a time."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_status_run_after", "status", "run_after"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(20), default="queued")  # queued, running, done, dead
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    run_after: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    leased_by: Mapped[str | None] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stage: Mapped[str] = mapped_column(String(20), default="stored")
    stage_done: Mapped[int] = mapped_column(Integer, default=0)
    stage_total: Mapped[int] = mapped_column(Integer, default=0)
    stages: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)  # stage, done, total of each so far
    seconds_left: Mapped[float | None] = mapped_column(
        Float
    )  # an estimate; None while there is no hold for it
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # this try
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class Conversation(Base):
    __tablename__ = "conversations"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)


class Message(Base):
    """A question and its answer: saved before retrieval starts, completed in one transaction."""

    __tablename__ = "messages"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), index=True
    )
    question: Mapped[str] = mapped_column(Text)
    standalone_question: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), default="pending")  # AnswerState
    grounding: Mapped[str | None] = mapped_column(String(20), index=True)  # GroundingState
    checks: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # claims, removed claims, quotes, conflicts
    coverage: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # documents searched, pending, failed
    weak_evidence: Mapped[bool | None] = mapped_column()  # answered although evidence was weak, as asked for
    refusal: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    sources: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)  # all passages found, numbered
    trace: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # prompt, models, settings, timings, tokens
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    writer: Mapped[str | None] = mapped_column(
        String(300)
    )  # the process that writes it: app/jobs/identity.py
    replaces_id: Mapped[int | None] = mapped_column(BigInteger)  # the message asked or answered anew
    replaced_by_id: Mapped[int | None] = mapped_column(BigInteger)  # set: no part of its conversation now
    rating: Mapped[str | None] = mapped_column(String(10))  # up, down
    comment: Mapped[str | None] = mapped_column(Text)
    rated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Share(Base):
    """A link that shows one conversation, up to one message, to whoever has it. Revoking deletes the row."""

    __tablename__ = "shares"
    __table_args__ = (UniqueConstraint("conversation_id"), UniqueConstraint("token"), NEVER_REUSED)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    token: Mapped[str] = mapped_column(String(64))  # 256 random bits
    last_message_id: Mapped[int] = mapped_column(BigInteger)  # later messages are not shown
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class CitationRow(Base):
    """A footnote: which words of the answer rest on which span of which document version."""

    __tablename__ = "citations"
    __allow_unmapped__ = True
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column(Integer)  # the passage's number in the prompt and in the text
    claim_start: Mapped[int] = mapped_column(Integer)  # characters of the answer
    claim_end: Mapped[int] = mapped_column(Integer)
    chunk_id: Mapped[int] = mapped_column(BigInteger)  # no foreign keys: a citation outlives its document
    document_id: Mapped[int] = mapped_column(BigInteger, index=True)
    document_version: Mapped[int] = mapped_column(Integer)
    file_name: Mapped[str] = mapped_column(String(1000))
    page: Mapped[int | None] = mapped_column(Integer)
    start: Mapped[int] = mapped_column(Integer)  # evidence span, characters of the document text
    end: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)  # the evidence span's words
    boxes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)  # EvidenceBox, a line each
    verdict: Mapped[str] = mapped_column(String(20))  # supported, not_supported, contradicted
    score: Mapped[float] = mapped_column(Float)
    placed_by: Mapped[str] = mapped_column(String(20))  # model (it wrote the marker) or alignment
    document: Any = None  # no column: what has become of it, set by app.answers.cited_documents


class EvalRun(Base):
    __tablename__ = "eval_runs"
    __table_args__ = NEVER_REUSED

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))  # EvalKind
    name: Mapped[str] = mapped_column(String(500))  # the set or the file it ran on
    status: Mapped[str] = mapped_column(String(20), default="running")  # RunStatus
    set_id: Mapped[int | None] = mapped_column(BigInteger, index=True)  # no foreign key: outlives its set
    done: Mapped[int] = mapped_column(Integer, default=0)  # questions, as often as each is asked
    total: Mapped[int] = mapped_column(Integer, default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    leased_by: Mapped[str | None] = mapped_column(String(200))  # who works on it
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    config: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    metrics: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
