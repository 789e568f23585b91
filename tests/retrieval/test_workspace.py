"""Scratch folders: one that two processes remove at the same time is gone, and nobody fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from retrieval import workspace
from retrieval.workspace import Workspace, exclusive


def opened(parent: Path) -> Workspace:
    with exclusive(parent):
        return Workspace(parent)


def test_a_folder_that_another_process_removed_is_closed(tmp_path: Path) -> None:
    private = opened(tmp_path)
    shutil.rmtree(private.path)
    private.close()
    private.close()


def test_a_folder_that_another_process_is_removing_is_gone_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = opened(tmp_path)
    (private.path / "page.png").touch()
    remove = shutil.rmtree
    calls: list[Path] = []

    def overtaken_once(folder: Path) -> None:
        calls.append(folder)
        if len(calls) == 1:
            raise FileNotFoundError(folder / "owner.lock")
        remove(folder)

    monkeypatch.setattr("retrieval.workspace.shutil.rmtree", overtaken_once)
    private.close()
    assert not private.path.exists()
    assert len(calls) == 2


def test_a_folder_whose_owner_is_removing_it_stops_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing = opened(tmp_path)
    closing.close()
    closing.path.mkdir()
    lock = workspace._try_lock

    def lock_and_lose(folder: Path) -> int | None:
        descriptor = lock(folder)
        if folder == closing.path:
            shutil.rmtree(folder)
        return descriptor

    monkeypatch.setattr(workspace, "_try_lock", lock_and_lose)
    started = opened(tmp_path)
    assert [path.name for path in tmp_path.glob("work-*")] == [started.path.name]
    started.close()
