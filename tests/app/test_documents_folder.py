"""`footnote ingest` and `footnote ask --docs` without a server: rows, changes on disk, other workers."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from app.accounts.service import local_account
from app.documents import local, repository
from app.documents.folder import collection_name, sync_folder
from app.documents.identity import OnExisting
from app.documents.local import Row, ingest_paths
from app.errors import InvalidRequest
from app.jobs.worker import Worker, run_worker
from app.services import Services
from app.settings import Settings, load_settings
from app.tables import Document


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, data_dir=tmp_path / "data", max_upload_bytes=2000, poll_interval_s=0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "leave.md").write_text("# Leave\n\nEveryone has 28 days of leave.\n")
    (folder / "sub" / "pay.txt").write_text("Pay day is the 25th.\n")
    (folder / ".hidden.txt").write_text("not read")
    return folder


def ingest(services: Services, *paths: Path) -> list[Row]:
    return ingest_paths(services, paths, "Default", lambda _: None)


def sync(services: Services, path: Path) -> dict[str, Document]:
    """The collection's documents after a sync, by name."""
    collection_id = sync_folder(services, path, lambda _: None)
    with services.sessions() as session:
        user = local_account(session)
        rows = repository.list_of_collection(session, user.id, collection_id)
    return {row.file_name: row for row in rows}


class TestIngest:
    def test_a_missing_path_is_refused(self, services: Services, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="no file or folder"):
            ingest(services, tmp_path / "nowhere")

    def test_a_folder_without_files_is_refused(self, services: Services, tmp_path: Path) -> None:
        (tmp_path / "void").mkdir()
        with pytest.raises(InvalidRequest, match="holds no file"):
            ingest(services, tmp_path / "void")

    def test_files_of_one_name_in_two_folders_are_two_documents(
        self, services: Services, folder: Path
    ) -> None:
        (folder / "sub" / "leave.md").write_text("Interns have 20 days of leave.")
        choices: tuple[OnExisting, ...] = ("replace", "replace", "skip")
        for on_existing in choices:
            rows = ingest_paths(services, [folder], "Default", lambda _: None, on_existing=on_existing)
            assert [row["error"] for row in rows] == [None] * 3
        with services.sessions() as session:
            names = session.scalars(select(Document.file_name).order_by(Document.file_name)).all()
        assert names == ["leave.md", "sub/leave.md", "sub/pay.txt"]

    def test_a_file_whose_name_is_no_text_is_read(self, services: Services, folder: Path) -> None:
        (folder / os.fsdecode(b"pay\xff.txt")).write_text("Pay day was the 24th once.")
        rows = {Path(row["file"]).name: row["status"] for row in ingest(services, folder)}
        assert rows["pay\ufffd.txt"] == "ready"

    def test_each_file_gets_a_row(self, services: Services, folder: Path) -> None:
        (folder / "empty.txt").touch()
        (folder / "huge.txt").write_text("x" * 2001)
        (folder / "random.bin").write_bytes(bytes(range(256)) * 4)
        rows = {Path(row["file"]).name: row for row in ingest(services, folder)}
        assert {name: row["status"] for name, row in rows.items()} == {
            "empty.txt": "failed",
            "huge.txt": "failed",
            "leave.md": "ready",
            "pay.txt": "ready",
            "random.bin": "failed",
        }
        codes = {name: row["error"] and row["error"]["code"] for name, row in rows.items()}
        assert codes == {
            "empty.txt": "file_empty",
            "huge.txt": "file_too_large",
            "leave.md": None,
            "pay.txt": None,
            "random.bin": "file_unknown_type",
        }
        for row in rows.values():
            assert set(row) == {"file", "document_id", "status", "chunks", "pages", "seconds", "error"}
            if row["error"] is not None:
                assert set(row["error"]) >= {"code", "stage", "cause", "next_step"}
        assert (rows["leave.md"]["chunks"], rows["leave.md"]["pages"]) == (1, 1)
        assert rows["leave.md"]["seconds"] > 0

    def test_known_files_are_duplicates(self, services: Services, folder: Path) -> None:
        first = ingest(services, folder)
        again = ingest(services, folder / "leave.md", folder)
        assert [row["status"] for row in again] == ["duplicate"] * 3
        assert {row["document_id"] for row in again} == {row["document_id"] for row in first}

    def test_a_worker_that_runs_too_shares_the_work(
        self, services: Services, settings: Settings, tmp_path: Path
    ) -> None:
        many = tmp_path / "many"
        many.mkdir()
        for number in range(6):
            (many / f"{number}.txt").write_text(f"Text number {number}.")
        stop = threading.Event()
        thread = threading.Thread(
            target=run_worker,
            args=(settings, services.engine, services.blobs, services.models.ingest),
            kwargs={"stop": stop},
        )
        thread.start()
        rows = ingest(services, many)
        stop.set()
        thread.join(30)
        assert [row["status"] for row in rows] == ["ready"] * 6
        assert all(row["chunks"] == 1 for row in rows)


class TestSync:
    def test_the_collection_equals_the_folder(self, services: Services, folder: Path) -> None:
        documents = sync(services, folder)
        assert {name: row.status for name, row in documents.items()} == {
            "leave.md": "ready",
            "sub/pay.txt": "ready",
        }

    def test_an_unchanged_folder_is_not_read_again(
        self, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "random.bin").write_bytes(bytes(range(256)) * 4)
        first = sync(services, folder)
        assert first["random.bin"].status == "failed"

        def refuse(*_: object) -> None:
            raise AssertionError("a job was run")

        monkeypatch.setattr(Worker, "run_next", refuse)
        monkeypatch.setattr(local, "register", refuse)
        again = sync(services, folder)
        assert {n: (d.id, d.version) for n, d in again.items()} == {
            n: (d.id, d.version) for n, d in first.items()
        }

    def test_a_changed_file_becomes_its_next_version(self, services: Services, folder: Path) -> None:
        before = sync(services, folder)["leave.md"]
        (folder / "leave.md").write_text("Everyone has 30 days of leave.\n")
        after = sync(services, folder)["leave.md"]
        assert (before.version, after.version, after.ready_version) == (1, 2, 2)
        assert after.id == before.id

    def test_a_removed_file_is_forgotten(self, services: Services, folder: Path) -> None:
        sync(services, folder)
        (folder / "sub" / "pay.txt").unlink()
        assert set(sync(services, folder)) == {"leave.md"}
        assert len(list(services.blobs.digests())) == 1

    def test_a_renamed_file_keeps_its_document(self, services: Services, folder: Path) -> None:
        before = sync(services, folder)["leave.md"]
        (folder / "leave.md").rename(folder / "holiday.md")
        after = sync(services, folder)
        assert after["holiday.md"].id == before.id

    def test_a_single_file_is_its_own_collection(self, services: Services, folder: Path) -> None:
        assert set(sync(services, folder / "leave.md")) == {"leave.md"}
        assert set(sync(services, folder)) == {"leave.md", "sub/pay.txt"}

    def test_files_that_cannot_be_taken_are_told(self, services: Services, folder: Path) -> None:
        (folder / "huge.txt").write_text("x" * 2001)
        told: list[str] = []
        sync_folder(services, folder, told.append)
        assert any(line.startswith("huge.txt: The file is larger") for line in told)

    def test_what_is_new_can_be_searched(self, services: Services, folder: Path) -> None:
        from app.documents.index_sync import access_filter, catch_up

        collection_id = sync_folder(services, folder, lambda _: None)
        with services.sessions() as session:
            catch_up(session, services.index)
            access = access_filter(session, local_account(session), [collection_id], None, services.index)
            assert len(services.index.bm25("leave", 5, access)) == 1


def test_long_paths_get_distinct_names(tmp_path: Path) -> None:
    first, second = ("a" * 150 + "/" + name * 100 for name in "xy")
    names = {collection_name(tmp_path / part) for part in (first, second)}
    assert len(names) == 2
    assert all(len(name) <= 200 for name in names)


def test_every_document_belongs_to_somebody(services: Services, folder: Path) -> None:
    sync_folder(services, folder, lambda _: None)
    with services.sessions() as session:
        assert set(session.scalars(select(Document.owner_id))) == {local_account(session).id}
