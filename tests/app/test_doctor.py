"""The doctor finds what a crash, a bug or a hand on the files leaves behind, and `fix` repairs the views."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from app.accounts.service import local_account
from app.doctor import check, fix
from app.documents import removal
from app.documents.local import ingest_paths
from app.jobs.worker import Worker
from app.services import Services
from app.tables import ChunkRow, Document, DocumentVersion, EncoderRow, Job, VectorRow
from retrieval.types import IndexChange


@pytest.fixture
def document_id(services: Services, tmp_path: Path) -> int:
    file = tmp_path / "leave.md"
    file.write_text("# Leave\n\nEveryone has 28 days of leave.\n")
    (row,) = ingest_paths(services, [file], "Default", lambda _: None)
    document_id: int = row["document_id"]
    return document_id


def work(services: Services) -> None:
    worker = Worker(
        services.settings, services.sessions, services.blobs, services.models.ingest, stop=threading.Event()
    )
    while worker.run_next() is not None:
        pass


def codes(services: Services) -> list[str]:
    report = check(services)
    assert report.ok == (not report.problems)
    return [problem.code for problem in report.problems]


def test_an_empty_service_agrees(services: Services) -> None:
    report = check(services)
    assert (report.ok, report.sql_chunks) == (True, 0)
    assert "Everything agrees" in report.text()


def test_a_healthy_service_agrees(services: Services, document_id: int) -> None:
    report = check(services)
    assert (report.ok, report.sql_chunks, report.dense_chunks, report.bm25_chunks) == (True, 1, 1, 1)
    assert (report.documents, report.stored_files) == ({"ready": 1}, 1)
    assert report.json()["problems"] == []


def test_passages_missing_from_an_index(services: Services, document_id: int, tmp_path: Path) -> None:
    """As after restoring an older database below a newer index: both count on, apart from each other."""
    assert codes(services) == []
    services.index.apply([IndexChange(services.index.last_change_id + 1, "delete", document_id)])
    (tmp_path / "second.txt").write_text("Pay day is the 25th.")
    ingest_paths(services, [tmp_path / "second.txt"], "Default", lambda _: None)
    assert codes(services) == ["index_incomplete", "index_incomplete"]
    assert fix(services).ok


def test_passages_that_sql_does_not_have(services: Services, document_id: int) -> None:
    assert codes(services) == []
    with services.sessions.begin() as session:
        session.execute(delete(VectorRow))
        session.execute(delete(ChunkRow))
    assert codes(services) == ["index_has_ghosts", "index_has_ghosts", "passages_missing"]
    assert fix(services).ok
    work(services)
    assert check(services).sql_chunks == 1


def test_a_passage_without_vector(services: Services, document_id: int) -> None:
    with services.sessions.begin() as session:
        session.execute(delete(VectorRow))
    assert "vector_missing" in codes(services)
    report = fix(services)
    assert (report.ok, report.dense_chunks) == (True, 1)


def test_a_vector_that_was_cut_off_is_made_anew(services: Services, document_id: int) -> None:
    with services.sessions() as session:
        whole = session.scalars(select(VectorRow.vector)).one()
    with services.sessions.begin() as session:
        session.execute(update(VectorRow).values(vector=whole[:-4]))
    assert "vector_damaged" in codes(services)
    assert fix(services).ok
    with services.sessions() as session:
        assert session.scalars(select(VectorRow.vector)).one() == whole


def test_vectors_of_another_encoder(services: Services, document_id: int) -> None:
    with services.sessions.begin() as session:
        session.execute(update(EncoderRow).values(id="old"))
        session.execute(update(VectorRow).values(encoder_id="old"))
    assert "encoder_mismatch" in codes(services)


def test_bytes_that_are_gone(services: Services, document_id: int) -> None:
    for digest in list(services.blobs.digests()):
        services.blobs.delete(digest)
    assert codes(services) == ["file_missing"]


def test_bytes_that_belong_to_nobody_are_named_and_removed(services: Services, document_id: int) -> None:
    services.blobs.put(io.BytesIO(b"left by a crash"), 100)
    assert codes(services) == ["file_orphaned"]
    assert fix(services).ok
    assert len(list(services.blobs.digests())) == 1


def test_uploads_that_were_cut_off_are_named_and_removed(services: Services) -> None:
    staged = services.blobs.stage(io.BytesIO(b"cut off"), 100)
    assert codes(services) == []
    os.utime(staged.path, (1, 1))
    assert codes(services) == ["upload_abandoned"]
    assert fix(services).ok
    assert not staged.path.exists()


def test_a_document_that_waits_for_nothing(services: Services, document_id: int) -> None:
    with services.sessions.begin() as session:
        session.execute(delete(Job))
        session.execute(update(Document).values(status="processing"))
    assert codes(services) == ["job_missing"]
    assert fix(services).ok
    work(services)
    assert check(services).documents == {"ready": 1}


def test_versions_that_disagree_are_named_and_repaired(services: Services, document_id: int) -> None:
    with services.sessions.begin() as session:
        session.execute(update(DocumentVersion).values(state="replaced"))
    assert codes(services) == ["version_mismatch"]
    assert fix(services).ok


def test_bytes_of_another_size_are_named(services: Services, document_id: int) -> None:
    (digest,) = services.blobs.digests()
    services.blobs.path(digest).write_bytes(b"cut")
    report = check(services)
    assert [(problem.code, problem.count) for problem in report.problems] == [("file_damaged", 1)]


def test_work_of_a_job_that_is_gone_is_named_and_removed(services: Services, document_id: int) -> None:
    left = services.settings.data_dir / "work" / "77"
    left.mkdir(parents=True)
    (left / "parsed").write_text("what was read")
    assert codes(services) == ["work_left"]
    assert fix(services).ok
    assert not left.exists()


def test_what_is_hidden_and_not_yet_purged_is_named_with_its_count(
    services: Services, document_id: int
) -> None:
    with services.sessions.begin() as session:
        removal.delete_document(session, local_account(session), document_id)
    report = check(services)
    codes = {problem.code: problem.count for problem in report.problems}
    assert codes == {"file_orphaned": 1, "purge_pending": 1}
    assert fix(services).ok


def test_rows_that_belong_to_nothing_are_counted_and_removed(services: Services, document_id: int) -> None:
    with services.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN")
        connection.execute(delete(Document))
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    found = {problem.code: problem.count for problem in check(services).problems}
    assert found["rows_orphaned"] >= 4  # page, chunk, version, job
    assert fix(services).ok


def test_nothing_of_a_deleted_document_is_left_on_the_disk(services: Services, tmp_path: Path) -> None:
    """Not in the database, its log, the indexes, the stored files or a folder of work."""
    canary = "Zwetschgenkuchenrezept"
    secret = tmp_path / "secret.txt"
    secret.write_text(f"The word is {canary}. " * 50)
    (tmp_path / "other.txt").write_text("Pay day is the 25th.")
    rows = ingest_paths(services, [secret, tmp_path / "other.txt"], "Default", lambda _: None)
    check(services)
    services.index.save()
    assert files_with(services.settings.data_dir, canary)
    with services.sessions.begin() as session:
        removal.delete_document(session, local_account(session), rows[0]["document_id"])
    report = fix(services)
    assert (report.ok, report.sql_chunks, report.stored_files) == (True, 1, 1)
    services.index.save()
    assert files_with(services.settings.data_dir, canary) == []


def files_with(folder: Path, word: str) -> list[Path]:
    """Files that hold the word, or the term that BM25 makes of it."""
    needles = {word.encode(), word.casefold().encode()[:16]}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]


def test_a_damaged_database_is_named(services: Services, document_id: int) -> None:
    with services.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN")
        connection.execute(delete(Document))
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    assert "database_damaged" in codes(services)
