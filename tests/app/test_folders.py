"""A watched folder and its documents: every kind of change, unfinished files, restarts, crashes."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Select, select

from app.accounts.service import local_account
from app.collections.service import get_or_create
from app.documents import removal, repository
from app.documents.local import ingest_paths
from app.errors import InvalidRequest
from app.folders import keeping
from app.folders.keeping import FolderKeeper, Round
from app.folders.scanning import FileState, Known, compare, renames, scan
from app.folders.watching import watch_folder
from app.services import Services
from app.tables import ChunkRow, Document, FolderFile

COLLECTION = "Papers"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "sub").mkdir(parents=True)
    (folder / "leave.txt").write_text("Everyone has 28 days of leave.")
    (folder / "sub" / "pay.txt").write_text("Pay day is the 25th.")
    return folder


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents stay queued: these tests are about which there are."""
    monkeypatch.setattr(keeping, "run_jobs", lambda *_: None)


def keeper(services: Services, folder: Path) -> FolderKeeper:
    return FolderKeeper(services, folder, COLLECTION, lambda _: None)


def settle(keeper: FolderKeeper) -> Round:
    """Two looks, and the round of the second."""
    keeper.round()
    return keeper.round()


def documents(services: Services) -> dict[str, Document]:
    with services.sessions.begin() as session:
        user = local_account(session)
        collection_id = get_or_create(session, user, COLLECTION)
        rows = repository.list_of_collection(session, user.id, collection_id)
        session.expunge_all()
    return {row.file_name: row for row in rows}


def rewrite(path: Path, text: str) -> None:
    """Other words at a time that no clock resolution can hide."""
    path.write_text(text)
    later = path.stat().st_mtime_ns + 5_000_000_000
    os.utime(path, ns=(later, later))


def text_of(document_id: int) -> Select[str]:
    """Passages that a question may find."""
    return select(ChunkRow.text).where(ChunkRow.document_id == document_id)


def delete_by_hand(services: Services, document_id: int) -> None:
    with services.sessions.begin() as session:
        removal.delete_document(session, local_account(session), document_id)


def test_files_are_read_and_answer(services: Services, folder: Path) -> None:
    done = settle(keeper(services, folder))
    assert sorted(done.added) == ["leave.txt", "sub/pay.txt"]
    assert {name: row.status for name, row in documents(services).items()} == {
        "leave.txt": "ready",
        "sub/pay.txt": "ready",
    }


def test_a_copy_of_bytes_that_are_replaced_in_the_same_round_is_read(
    services: Services, folder: Path
) -> None:
    watching = keeper(services, folder)
    settle(watching)
    shutil.copy(folder / "leave.txt", folder / "last-year.txt")
    rewrite(folder / "leave.txt", "Everyone has 30 days of leave.")
    settle(watching)
    found = documents(services)
    with services.sessions() as session:
        texts = {name: session.scalars(text_of(row.id)).all() for name, row in found.items()}
    assert texts == {
        "last-year.txt": ["Everyone has 28 days of leave."],
        "leave.txt": ["Everyone has 30 days of leave."],
        "sub/pay.txt": ["Pay day is the 25th."],
    }


@pytest.mark.usefixtures("unread")
class TestChanges:
    def test_a_changed_file_is_a_new_version_of_its_document(self, services: Services, folder: Path) -> None:
        watching = keeper(services, folder)
        settle(watching)
        before = documents(services)["leave.txt"]
        rewrite(folder / "leave.txt", "Everyone has 30 days of leave.")
        assert settle(watching).changed == ["leave.txt"]
        after = documents(services)["leave.txt"]
        assert (after.id, after.version) == (before.id, before.version + 1)
        assert settle(watching) == Round()

    def test_a_file_with_a_new_time_only_is_not_read_again(self, services: Services, folder: Path) -> None:
        watching = keeper(services, folder)
        settle(watching)
        rewrite(folder / "leave.txt", (folder / "leave.txt").read_text())
        assert settle(watching) == Round()
        assert documents(services)["leave.txt"].version == 1

    def test_a_removed_file_takes_its_document_along(self, services: Services, folder: Path) -> None:
        watching = keeper(services, folder)
        settle(watching)
        (folder / "leave.txt").unlink()
        assert settle(watching).removed == ["leave.txt"]
        assert list(documents(services)) == ["sub/pay.txt"]

    def test_a_renamed_file_keeps_its_document(self, services: Services, folder: Path) -> None:
        watching = keeper(services, folder)
        settle(watching)
        before = documents(services)["leave.txt"]
        (folder / "leave.txt").rename(folder / "sub" / "holidays.txt")
        rounds = [watching.round(), watching.round()]
        assert [done.renamed for done in rounds] == [[], ["sub/holidays.txt"]]
        assert [done.removed + done.added for done in rounds] == [[], []]
        after = documents(services)
        assert sorted(after) == ["sub/holidays.txt", "sub/pay.txt"]
        assert (after["sub/holidays.txt"].id, after["sub/holidays.txt"].version) == (before.id, 1)

    def test_two_files_of_the_same_bytes_are_one_document_until_both_are_gone(
        self, services: Services, folder: Path
    ) -> None:
        shutil.copy(folder / "leave.txt", folder / "copy.txt")
        watching = keeper(services, folder)
        settle(watching)
        assert len(documents(services)) == 2
        (folder / "copy.txt").unlink()
        settle(watching)
        assert sorted(documents(services)) == ["leave.txt", "sub/pay.txt"]
        (folder / "leave.txt").unlink()
        settle(watching)
        assert list(documents(services)) == ["sub/pay.txt"]

    def test_one_of_two_equal_files_changes(self, services: Services, folder: Path) -> None:
        shutil.copy(folder / "leave.txt", folder / "copy.txt")
        watching = keeper(services, folder)
        settle(watching)
        rewrite(folder / "copy.txt", "Something else.")
        settle(watching)
        assert {row.version for row in documents(services).values()} == {1}
        assert sorted(documents(services)) == ["copy.txt", "leave.txt", "sub/pay.txt"]

    def test_what_was_uploaded_by_hand_stays_when_a_file_of_the_same_bytes_goes(
        self, services: Services, folder: Path, tmp_path: Path
    ) -> None:
        by_hand = tmp_path / "by-hand.txt"
        shutil.copy(folder / "leave.txt", by_hand)
        ingest_paths(services, [by_hand], COLLECTION, lambda _: None)
        watching = keeper(services, folder)
        settle(watching)
        assert sorted(documents(services)) == ["by-hand.txt", "sub/pay.txt"]
        (folder / "leave.txt").unlink()
        settle(watching)
        assert sorted(documents(services)) == ["by-hand.txt", "sub/pay.txt"]

    def test_a_document_deleted_by_hand_stays_deleted_until_its_file_changes(
        self, services: Services, folder: Path
    ) -> None:
        watching = keeper(services, folder)
        settle(watching)
        delete_by_hand(services, documents(services)["leave.txt"].id)
        os.utime(folder / "leave.txt", ns=(10**18, 10**18))
        settle(watching)
        assert list(documents(services)) == ["sub/pay.txt"]
        rewrite(folder / "leave.txt", "Everyone has 31 days of leave.")
        settle(watching)
        assert sorted(documents(services)) == ["leave.txt", "sub/pay.txt"]

    def test_a_file_that_is_being_written_is_waited_for(self, services: Services, folder: Path) -> None:
        watching = keeper(services, folder)
        settle(watching)
        slow = folder / "slow.txt"
        for part in range(3):
            with slow.open("a") as stream:
                stream.write(f"part {part} ")
            assert watching.round().added == []
        assert watching.round().added == ["slow.txt"]

    def test_hidden_unfinished_and_empty_files_are_not_taken(self, services: Services, folder: Path) -> None:
        (folder / ".git").mkdir()
        for name in (".hidden.txt", ".git/config", "~$report.docx", "big.pdf.part", "x.crdownload", "a.tmp"):
            (folder / name).write_text("not yet")
        (folder / "empty.txt").touch()
        assert settle(keeper(services, folder)).added == ["leave.txt", "sub/pay.txt"]

    def test_a_refused_file_is_told_once_and_tried_again_when_it_changes(
        self, services: Services, folder: Path
    ) -> None:
        object.__setattr__(services.settings, "max_upload_bytes", 100)
        (folder / "huge.txt").write_text("x" * 101)
        told: list[str] = []
        watching = FolderKeeper(services, folder, COLLECTION, told.append)
        assert settle(watching).refused == ["huge.txt"]
        assert settle(watching) == Round()
        assert len(told) == 1
        rewrite(folder / "huge.txt", "small")
        assert settle(watching).changed == ["huge.txt"]
        assert "huge.txt" in documents(services)

    def test_many_files_are_taken_in_several_rounds(
        self, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeping, "FILES_A_ROUND", 3)
        for number in range(5):
            (folder / f"{number}.txt").write_text(f"text {number}")
        watching = keeper(services, folder)
        watching.round()
        (folder / "late.txt").write_text("still being written when the second round looks")
        rounds = [watching.round() for _ in range(5)]
        assert [len(done.added) for done in rounds] == [3, 3, 1, 1, 0]
        assert [done.more for done in rounds] == [True, True, False, False, False]


@pytest.mark.usefixtures("unread")
class TestMishaps:
    def test_a_restart_catches_up_with_what_happened_meanwhile(
        self, services: Services, folder: Path
    ) -> None:
        settle(keeper(services, folder))
        before = documents(services)
        (folder / "leave.txt").rename(folder / "holidays.txt")
        (folder / "new.txt").write_text("new")
        rewrite(folder / "sub" / "pay.txt", "Pay day is the 26th.")
        done = settle(keeper(services, folder))
        assert (done.renamed, done.changed, done.added) == (["holidays.txt"], ["sub/pay.txt"], ["new.txt"])
        after = documents(services)
        assert after["holidays.txt"].id == before["leave.txt"].id
        assert after["sub/pay.txt"].version == 2

    def test_a_folder_that_is_gone_or_suddenly_empty_deletes_nothing(
        self, services: Services, folder: Path
    ) -> None:
        watching = keeper(services, folder)
        settle(watching)
        away = folder.with_name("away")
        folder.rename(away)
        assert "cannot be read" in (settle(watching).problem or "")
        folder.mkdir()
        assert "empty" in (settle(watching).problem or "")
        assert len(documents(services)) == 2
        folder.rmdir()
        away.rename(folder)
        assert settle(watching) == Round()

    @pytest.mark.parametrize("after_submit", [False, True])
    def test_a_crash_while_a_file_is_taken_neither_loses_nor_orphans_it(
        self, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch, after_submit: bool
    ) -> None:
        submit = keeping.submit

        def crash(*arguments: object, **options: object) -> None:
            if after_submit:
                submit(*arguments, **options)  # type: ignore[arg-type]
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(keeping, "submit", crash)
            with pytest.raises(KeyboardInterrupt):
                settle(keeper(services, folder))
        settle(keeper(services, folder))
        assert sorted(documents(services)) == ["leave.txt", "sub/pay.txt"]
        (folder / "leave.txt").unlink()
        settle(keeper(services, folder))
        assert sorted(documents(services)) == ["sub/pay.txt"]
        with services.sessions() as session:
            assert [row.path for row in session.scalars(select(FolderFile))] == ["sub/pay.txt"]

    def test_a_crash_and_then_the_file_is_gone(
        self, services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        submit = keeping.submit

        def crash(*arguments: object, **options: object) -> None:
            submit(*arguments, **options)  # type: ignore[arg-type]
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(keeping, "submit", crash)
            with pytest.raises(KeyboardInterrupt):
                settle(keeper(services, folder))
        (folder / "leave.txt").unlink()
        settle(keeper(services, folder))
        assert sorted(documents(services)) == ["sub/pay.txt"]


def test_watching_goes_on_until_it_is_stopped(services: Services, folder: Path) -> None:
    stop, told = threading.Event(), list[str]()
    arguments = (services, folder, COLLECTION, told.append, stop)
    thread = threading.Thread(target=watch_folder, args=arguments, kwargs={"every_s": 0.02})
    thread.start()
    deadline = time.monotonic() + 60
    while "2 added" not in told and time.monotonic() < deadline:
        time.sleep(0.02)
    (folder / "leave.txt").unlink()
    while "1 removed" not in told and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert {"2 added", "1 removed"} <= set(told)
    assert list(documents(services)) == ["sub/pay.txt"]


@pytest.mark.usefixtures("unread")
def test_what_cannot_be_seen_for_a_while_is_not_deleted(
    services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost network drive or a changed permission below the folder: `sub` gives errors, the rest works."""
    watching = keeper(services, folder)
    settle(watching)
    look = os.scandir

    def failing(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path)

    with monkeypatch.context() as broken:
        broken.setattr(os, "scandir", failing)
        (folder / "leave.txt").unlink()
        watching.round()
        done = settle(watching)
    assert done.problem is not None
    assert "sub in" in done.problem
    assert list(documents(services)) == ["sub/pay.txt"]

    (folder / "sub" / "pay.txt").unlink()
    (folder / "new.txt").write_text("The office opens at nine.")
    watching.round()
    done = settle(watching)
    assert done.problem is None
    assert list(documents(services)) == ["new.txt"]


def test_a_file_is_no_folder(services: Services, folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="no folder"):
        watch_folder(services, folder / "leave.txt", COLLECTION, lambda _: None, threading.Event())


class TestScanning:
    OLD, NEW = FileState(1, 1), FileState(2, 2)

    def test_one_look_is_never_enough(self) -> None:
        known = {"kept": Known(self.OLD, "k"), "gone": Known(self.OLD, "g")}
        now = {"kept": self.NEW, "new": self.NEW}
        assert not compare(known, {"kept": self.OLD, "gone": self.OLD}, now)
        settled = compare(known, now, now)
        assert (settled.added, settled.changed, settled.removed) == (("new",), ("kept",), ("gone",))

    def test_each_removed_file_is_renamed_once(self) -> None:
        known = {"a": Known(self.OLD, "same"), "b": Known(self.OLD, "same")}
        now = {"c": self.OLD, "d": self.OLD, "e": self.OLD}
        difference = compare(known, now, now)
        assert renames(known, difference, lambda name: "same") == {"c": "a"}

    def test_broken_links_and_pipes_are_passed_over(self, folder: Path) -> None:
        (folder / "broken.txt").symlink_to(folder / "nowhere")
        (folder / "link.txt").symlink_to(folder / "leave.txt")
        os.mkfifo(folder / "pipe.txt")
        assert sorted(scan(folder).files) == ["leave.txt", "link.txt", "sub/pay.txt"]
        assert scan(folder).unreadable == ()

    def test_a_file_whose_name_is_no_text_is_told_and_not_taken(self, folder: Path) -> None:
        (folder / os.fsdecode(b"pay\xff.txt")).write_text("Pay day was the 24th once.")
        assert scan(folder).unreadable == ("pay\ufffd.txt",)
