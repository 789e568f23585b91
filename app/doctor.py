"""`footnote doctor`: proves that SQL, the indexes and the stored files agree, or names what does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.db import schema_is_current
from app.documents import repository
from app.documents.encoders import require_encoder
from app.documents.index_sync import catch_up
from app.documents.removal import collect_garbage
from app.errors import AppError
from app.services import Services
from app.tables import ChunkRow, Document, Job, VectorRow

NAMED = 5  # ids shown with a problem
ABANDONED_AFTER_S = 24 * 3600.0

RUN_FIX = "Run `footnote doctor --fix`."


@dataclass(frozen=True, slots=True)
class Problem:
    code: str
    cause: str
    next_step: str


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """`ok` means that no problem was found."""

    ok: bool
    problems: list[Problem]
    sql_chunks: int
    dense_chunks: int
    bm25_chunks: int
    documents: dict[str, int] = field(default_factory=dict)  # live documents by status
    last_change_id: int = 0
    stored_files: int = 0

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        counts = (
            f"{self.sql_chunks} passages in SQL, {self.dense_chunks} in FAISS, {self.bm25_chunks} in BM25"
        )
        lines = [f"{counts}; {self.stored_files} stored files."]
        lines += [f"[{problem.code}] {problem.cause} {problem.next_step}" for problem in self.problems]
        return "\n".join(lines if self.problems else [*lines, "Everything agrees."])


def check(services: Services) -> DoctorReport:
    """Compares everything with SQL; changes nothing but bringing this process's index up to date."""
    problems = _check_database(services.engine)
    with services.sessions() as session:
        problems += _catch_up(services, session)
        sql_ids = _sql_chunk_ids(session)
        index_ids = services.index.chunk_ids()
        for name, ids in index_ids.items():
            problems += _compare_ids(name, sql_ids, ids)
        problems += _check_rows(session)
        digests = frozenset(repository.used_digests(session))
        documents = repository.count_by_status(session)
    stored = frozenset(services.blobs.digests())
    problems += _check_files(digests, stored, len(services.blobs.abandoned(ABANDONED_AFTER_S)))
    return DoctorReport(
        ok=not problems,
        problems=problems,
        sql_chunks=len(sql_ids),
        dense_chunks=len(index_ids["dense"]),
        bm25_chunks=len(index_ids["bm25"]),
        documents=documents,
        last_change_id=services.index.last_change_id,
        stored_files=len(stored),
    )


def fix(services: Services) -> DoctorReport:
    """Rebuilds the index from SQL, removes files that no document uses, and checks again."""
    services.index.reset()
    with services.sessions() as session:
        used = frozenset(repository.used_digests(session))
    collect_garbage(services.sessions, services.blobs, frozenset(services.blobs.digests()) - used)
    for path in services.blobs.abandoned(ABANDONED_AFTER_S):
        path.unlink(missing_ok=True)
    report = check(services)
    services.index.save()
    return report


def _check_database(engine: Engine) -> list[Problem]:
    problems = []
    with engine.connect() as connection:
        if not schema_is_current(connection):
            problems.append(
                Problem(
                    "schema_outdated", "The schema is not at the newest revision.", "Start the service once."
                )
            )
        if connection.dialect.name == "sqlite":
            answer = connection.execute(text("PRAGMA quick_check")).scalar_one()
            broken = connection.execute(text("PRAGMA foreign_key_check")).all()
            if answer != "ok" or broken:
                cause = f"SQLite reports damage: {answer if answer != 'ok' else 'rows without their parent'}."
                problems.append(Problem("database_damaged", cause, "Restore the database from a backup."))
    return problems


def _catch_up(services: Services, session: Session) -> list[Problem]:
    encoder_id = services.models.ingest.encoder_id
    try:
        require_encoder(session, encoder_id)
        catch_up(session, services.index, encoder_id=encoder_id)
    except AppError as error:
        return [Problem(error.code, error.cause, error.next_step)]
    return []


def _sql_chunk_ids(session: Session) -> frozenset[int]:
    statement = (
        select(ChunkRow.id)
        .join(Document, Document.id == ChunkRow.document_id)
        .where(Document.deleted_at.is_(None))
    )
    return frozenset(session.scalars(statement))


def _compare_ids(name: str, sql_ids: frozenset[int], index_ids: frozenset[int]) -> list[Problem]:
    problems = []
    if missing := sql_ids - index_ids:
        cause = f"{len(missing)} passages are missing from {name}: {_some(missing)}."
        problems.append(Problem("index_incomplete", cause, RUN_FIX))
    if extra := index_ids - sql_ids:
        cause = f"{name} holds {len(extra)} passages that SQL does not: {_some(extra)}."
        problems.append(Problem("index_has_ghosts", cause, RUN_FIX))
    return problems


def _check_rows(session: Session) -> list[Problem]:
    """Rows that only a bug or a hand-edited database can leave behind."""
    problems = []
    without_vector = select(ChunkRow.id).outerjoin(VectorRow).where(VectorRow.chunk_id.is_(None))
    if ids := session.scalars(without_vector).all():
        cause = f"{len(ids)} passages have no vector: {_some(ids)}."
        problems.append(Problem("vector_missing", cause, "Delete and upload their documents again."))
    active = select(Job.id).where(Job.document_id == Document.id, Job.status.in_(["queued", "running"]))
    stuck = select(Document.id).where(
        Document.deleted_at.is_(None), Document.status.in_(["queued", "processing"]), ~active.exists()
    )
    if ids := session.scalars(stuck).all():
        cause = f"{len(ids)} documents wait for a job that does not exist: {_some(ids)}."
        problems.append(Problem("job_missing", cause, "Delete and upload them again."))
    return problems


def _check_files(used: frozenset[str], stored: frozenset[str], abandoned: int) -> list[Problem]:
    problems = []
    if missing := used - stored:
        cause = f"The bytes of {len(missing)} documents are gone: {_some(missing)}."
        problems.append(Problem("file_missing", cause, "Upload those files again."))
    if orphans := stored - used:
        cause = f"{len(orphans)} stored files belong to no document: {_some(orphans)}."
        problems.append(Problem("file_orphaned", cause, RUN_FIX))
    if abandoned:
        cause = f"{abandoned} uploads were cut off and left temporary files."
        problems.append(Problem("upload_abandoned", cause, RUN_FIX))
    return problems


def _some(ids: Iterable[int] | Iterable[str]) -> str:
    """A few of them, for a message."""
    ordered = sorted(str(item) for item in ids)
    return ", ".join(ordered[:NAMED]) + (", …" if len(ordered) > NAMED else "")
