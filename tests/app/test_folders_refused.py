"""Files of a watched folder that cannot be taken: told once, tried again, in nobody's way."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import IO, Any, BinaryIO

import pytest

from app.documents.blobs import BlobStore, StagedBlob, StorageFull
from app.folders import keeping
from app.folders.keeping import FolderKeeper, Round
from app.folders.refusals import RETRY_S
from app.services import Services
from tests.app.test_folders import COLLECTION, documents, settle


class Watch:
    """A keeper, what it told, and a clock that only the test moves."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.told: list[str] = []
        self.now_s = 0.0
        self.keeper = FolderKeeper(services, folder, COLLECTION, self.told.append)
        self.keeper._refusals._now_s = lambda: self.now_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "leave.txt").write_text("Everyone has 28 days of leave.")
    return folder


@pytest.fixture
def watch(services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(keeping, "run_jobs", lambda *_: None)
    return Watch(services, folder)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of files that give an error when they are opened."""
    names: set[str] = set()
    open_file = Path.open

    def opening(path: Path, *arguments: Any, **options: Any) -> IO[Any]:
        if path.name in names:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", opening)
    return names


def allow(services: Services, max_bytes: int) -> None:
    object.__setattr__(services.settings, "max_upload_bytes", max_bytes)


def test_what_a_full_disk_refused_is_taken_when_there_is_room(
    services: Services, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stage(_store: BlobStore, _stream: BinaryIO, _max_bytes: int) -> StagedBlob:
        raise StorageFull("The file could not be stored: No space left on device.")

    with monkeypatch.context() as full:
        full.setattr(BlobStore, "stage", stage)
        assert settle(watch.keeper).refused == ["leave.txt"]
        watch.now_s += RETRY_S
        assert watch.keeper.round() == Round()
    assert len(watch.told) == 1
    assert watch.keeper.round() == Round()
    watch.now_s += RETRY_S
    assert watch.keeper.round().changed == ["leave.txt"]
    assert list(documents(services)) == ["leave.txt"]
    assert settle(watch.keeper) == Round()


def test_what_was_too_large_is_taken_by_the_next_process_that_may(
    services: Services, folder: Path, watch: Watch
) -> None:
    (folder / "huge.txt").write_text("x" * 101)
    allow(services, 100)
    assert settle(watch.keeper).refused == ["huge.txt"]
    allow(services, 1000)
    watch.now_s += 10 * RETRY_S  # a process keeps its limits: reading the file again would be in vain
    assert watch.keeper.round() == Round()
    assert settle(Watch(services, folder).keeper).changed == ["huge.txt"]
    assert sorted(documents(services)) == ["huge.txt", "leave.txt"]


def test_a_refused_file_that_is_renamed_is_tried_under_its_new_name(
    services: Services, folder: Path, watch: Watch
) -> None:
    (folder / "huge.txt").write_text("x" * 101)
    allow(services, 100)
    settle(watch.keeper)
    (folder / "huge.txt").rename(folder / "large.txt")
    allow(services, 1000)
    assert settle(watch.keeper).renamed == ["large.txt"]
    assert settle(watch.keeper) == Round()
    assert sorted(documents(services)) == ["large.txt", "leave.txt"]


def test_a_refused_file_that_was_uploaded_by_hand_meanwhile_does_not_take_it_along(
    services: Services, folder: Path, watch: Watch, tmp_path: Path
) -> None:
    (folder / "huge.txt").write_text("x" * 101)
    allow(services, 100)
    settle(watch.keeper)
    allow(services, 1000)
    keeping.submit(services, COLLECTION, folder / "huge.txt", "by-hand.txt")
    later = Watch(services, folder).keeper
    assert settle(later).changed == ["huge.txt"]
    (folder / "huge.txt").unlink()
    settle(later)
    assert sorted(documents(services)) == ["by-hand.txt", "leave.txt"]


def test_files_that_cannot_be_read_are_told_once_and_in_nobodys_way(
    services: Services, folder: Path, watch: Watch, locked: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "FILES_A_ROUND", 3)
    for number in range(4):
        (folder / f"{number}.txt").write_text(f"text {number}")
        locked.add(f"{number}.txt")
    watch.keeper.round()
    rounds = [watch.keeper.round() for _ in range(4)]
    assert [done.refused for done in rounds] == [["0.txt", "1.txt", "2.txt"], ["3.txt"], [], []]
    assert [done.more for done in rounds] == [True, False, False, False]
    assert list(documents(services)) == ["leave.txt"]
    assert len(watch.told) == 4
    assert "0.txt: The file cannot be read: Permission denied." in watch.told[0]

    locked.remove("0.txt")
    assert watch.keeper.round() == Round()
    watch.now_s += RETRY_S
    assert watch.keeper.round().added == ["0.txt"]
    assert len(watch.told) == 4
