"""`footnote doctor`: proves that SQL, the indexes and the stored files agree, or names what does not.

Page pictures are drawn when asked for and kept nowhere, so there is no cache of them to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import doctor_rows as rows
from app.compaction import compact
from app.data_folders import passage_folder
from app.db import WriteLock, schema_is_current, take_lock
from app.documents import encoders, index_log, kept_passages, repository, sketching, sweeping
from app.documents.encoders import require_encoder
from app.documents.index_sync import catch_up
from app.documents.removal import collect_garbage
from app.errors import AppError
from app.jobs import repository as jobs
from app.jobs.workplace import Workplace
from app.reindexing import add_vectors
from app.services import Services

NAMED = 5  # ids shown with a problem
ABANDONED_AFTER_S = 24 * 3600.0

RUN_FIX = "Run `footnote doctor --fix`."
UPLOAD_AGAIN = "Upload those files again."


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of disagreement: a stable code, and how many rows, passages or files it concerns."""

    code: str
    count: int
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
    problems = [*_check_database(services.engine)]
    with services.sessions() as session:
        problems += _catch_up(services, session)
        sql_ids = index_log.live_chunk_ids(session)
        index_ids = services.index.chunk_ids()
        for name, ids in index_ids.items():
            problems += _compare_ids(name, sql_ids, ids)
        problems += _check_rows(session, services.settings.keep_versions)
        used = repository.used_digests(session)
        documents = repository.count_by_status(session)
        problems += _check_work(services, session)
        problems += _check_passages(services, session)
    problems += _check_files(services, used)
    return DoctorReport(
        ok=not problems,
        problems=problems,
        sql_chunks=len(sql_ids),
        dense_chunks=len(index_ids["dense"]),
        bm25_chunks=len(index_ids["bm25"]),
        documents=documents,
        last_change_id=services.index.last_change_id,
        stored_files=len(frozenset(services.blobs.digests())),
    )


def fix(services: Services) -> DoctorReport:
    """Purges what is hidden, repairs rows, rebuilds the index from SQL, removes files that nothing uses.

    Then it gives free space back, so that nothing of what was deleted is left on the disk, and checks again.
    """
    sweeping.sweep_services(services)
    _fix_rows(services)
    sketching.sketch_all(services.sessions)
    services.index.reset()
    with services.sessions() as session:
        _workplace(services).clear(_left_work(services, session))
        _clear_passages(services, session)
        used = repository.used_digests(session)
    collect_garbage(services.sessions, services.blobs, frozenset(services.blobs.digests()) - used.keys())
    for path in services.blobs.abandoned(ABANDONED_AFTER_S):
        path.unlink(missing_ok=True)
    compact(services.engine)
    report = check(services)
    services.index.save()
    return report


def _fix_rows(services: Services) -> None:
    for repair in (rows.remove_orphaned, rows.remove_damaged_vectors, rows.repair_versions, rows.read_again):
        with services.sessions.begin() as session:
            take_lock(session, WriteLock.INDEX_LOG)
            repair(session)
    with services.sessions() as session:
        row = encoders.active(session)
        if row is None or row.id != services.models.ingest.encoder_id:
            return
        missing = session.scalars(encoders.without_vector(row.id)).all()
    for start in range(0, len(missing), 64):
        add_vectors(services.sessions, services.models.ingest, missing[start : start + 64])
    with services.sessions.begin() as session:
        rows.log_again(session, [chunk.id for chunk in missing])


def _check_database(engine: Engine) -> Iterator[Problem]:
    with engine.connect() as connection:
        if not schema_is_current(connection):
            cause = "The schema is not at the newest revision."
            yield Problem("schema_outdated", 1, cause, "Start the service once.")
        if connection.dialect.name == "sqlite":
            try:
                answer = connection.execute(text("PRAGMA quick_check")).scalar_one()
            except DBAPIError as error:
                answer = str(error.orig)
            broken = connection.execute(text("PRAGMA foreign_key_check")).all()
            if answer != "ok" or broken:
                cause = f"SQLite reports damage: {answer if answer != 'ok' else 'rows without their parent'}."
                count = len(broken) or 1
                yield Problem("database_damaged", count, cause, "Restore the database from a backup.")


def _catch_up(services: Services, session: Session) -> list[Problem]:
    encoder_id = services.models.ingest.encoder_id
    try:
        require_encoder(session, encoder_id)
        catch_up(session, services.index, encoder_id=encoder_id)
    except AppError as error:
        return [Problem(error.code, 1, error.cause, error.next_step)]
    return []


def _compare_ids(name: str, sql_ids: frozenset[int], index_ids: frozenset[int]) -> Iterator[Problem]:
    if missing := sql_ids - index_ids:
        cause = f"{len(missing)} passages are missing from {name}: {_some(missing)}."
        yield Problem("index_incomplete", len(missing), cause, RUN_FIX)
    if extra := index_ids - sql_ids:
        cause = f"{name} holds {len(extra)} passages that SQL does not: {_some(extra)}."
        yield Problem("index_has_ghosts", len(extra), cause, RUN_FIX)


ROW_CHECKS: tuple[tuple[str, Callable[[Session], Collection[int]], str], ...] = (
    ("vector_missing", rows.chunks_without_vector, "passages have no vector"),
    ("vector_damaged", rows.damaged_vectors, "vectors have another length than their encoder's"),
    ("version_mismatch", rows.disagreeing_versions, "documents do not agree with their versions"),
    ("passages_missing", rows.without_passages, "ready documents have lost their passages"),
    ("job_missing", rows.waiting_for_nothing, "documents wait for a job that does not exist"),
    ("sketch_missing", sketching.missing, "documents of an older release were not compared with the others"),
)


def _check_rows(session: Session, keep_versions: int) -> Iterator[Problem]:
    """Rows that a crash, a bug or a hand-edited database can leave behind."""
    for code, find, what in ROW_CHECKS:
        if ids := find(session):
            yield Problem(code, len(ids), f"{len(ids)} {what}: {_some(ids)}.", RUN_FIX)
    if counts := rows.orphaned(session):
        named = ", ".join(f"{count} in {table}" for table, count in counts.items())
        yield Problem("rows_orphaned", sum(counts.values()), f"Rows belong to nothing: {named}.", RUN_FIX)
    left = sweeping.pending(session, keep_versions)
    if count := left.documents + left.versions + left.collections:
        cause = (
            f"{left.documents} deleted documents, {left.versions} old versions and {left.collections} "
            "deleted collections are hidden and wait to be purged."
        )
        yield Problem("purge_pending", count, cause, RUN_FIX)


def _check_work(services: Services, session: Session) -> Iterator[Problem]:
    """What a worker kept of a file whose job is gone or over."""
    if left := _left_work(services, session):
        cause = f"{len(left)} jobs that are over have left what was read: {_some(left)}."
        yield Problem("work_left", len(left), cause, RUN_FIX)


def _check_passages(services: Services, session: Session) -> Iterator[Problem]:
    """What a decoder has read of a document that is deleted."""
    folder = passage_folder(services.settings)
    if kept_passages.has_deleted(session, folder):
        count = len(kept_passages.kept_files(folder))
        cause = f"{count} passages that a decoder has read are kept since before the last deletion."
        yield Problem("passages_left", count, cause, RUN_FIX)


def _clear_passages(services: Services, session: Session) -> None:
    folder = passage_folder(services.settings)
    if kept_passages.has_deleted(session, folder):
        kept_passages.clear(folder)
        kept_passages.mark_clean(folder, index_log.last_deletion_id(session))


def _left_work(services: Services, session: Session) -> set[int]:
    kept = set(_workplace(services).jobs())
    return kept - jobs.unfinished(session, kept) if kept else kept


def _workplace(services: Services) -> Workplace:
    models = services.models.ingest
    return Workplace(services.settings.data_dir / "work", models.encoder_id, models.dimension)


def _check_files(services: Services, used: dict[str, int]) -> Iterator[Problem]:
    stored = services.blobs.sizes()
    if missing := used.keys() - stored.keys():
        cause = f"The bytes of {len(missing)} files are gone: {_some(missing)}."
        yield Problem("file_missing", len(missing), cause, UPLOAD_AGAIN)
    if damaged := [sha256 for sha256, size in used.items() if stored.get(sha256, size) != size]:
        cause = f"{len(damaged)} stored files have another size than was uploaded: {_some(damaged)}."
        yield Problem("file_damaged", len(damaged), cause, UPLOAD_AGAIN)
    if orphans := stored.keys() - used.keys():
        cause = f"{len(orphans)} stored files belong to no document: {_some(orphans)}."
        yield Problem("file_orphaned", len(orphans), cause, RUN_FIX)
    if abandoned := len(services.blobs.abandoned(ABANDONED_AFTER_S)):
        cause = f"{abandoned} uploads were cut off and left temporary files."
        yield Problem("upload_abandoned", abandoned, cause, RUN_FIX)


def _some(ids: Collection[int] | Collection[str]) -> str:
    """A few of them, for a message."""
    ordered = sorted(str(item) for item in ids)
    return ", ".join(ordered[:NAMED]) + (", …" if len(ordered) > NAMED else "")
