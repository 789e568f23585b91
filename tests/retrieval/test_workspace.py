"""Scratch folders: one that two processes remove at the same time is gone, and nobody fails."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval import workspace
from retrieval.index_store import IndexStore
from retrieval.workspace import Workspace, exclusive, remove_unused

FOR_THE_LOCK_S = 0.3  # time enough for another thread to wait for it


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


def test_an_unused_folder_that_several_remove_is_gone_and_nobody_fails(tmp_path: Path) -> None:
    folder = tmp_path / "set-1"
    folder.mkdir()
    with ThreadPoolExecutor(3) as pool:
        with exclusive(folder):
            removals = [pool.submit(remove_unused, folder) for _ in range(3)]
            time.sleep(FOR_THE_LOCK_S)
        for each in removals:
            each.result()
    remove_unused(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_removed_while_an_index_waits_for_it_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "set-1"
    folder.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with exclusive(folder):
            opening = pool.submit(IndexStore.open, folder, encoder_id="hash", dimension=4)
            time.sleep(FOR_THE_LOCK_S)
            shutil.rmtree(folder)
        with opening.result() as store:
            assert store.opened_from == "empty"
            remove_unused(folder)
            assert len(list(folder.glob("work-*"))) == 1
    remove_unused(folder)
    assert not folder.exists()


def test_who_waited_for_a_removed_folder_waits_for_the_one_of_that_name(tmp_path: Path) -> None:
    folder = tmp_path / "set-1"
    folder.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with exclusive(folder):
            removal = pool.submit(remove_unused, folder)
            time.sleep(FOR_THE_LOCK_S)
            shutil.rmtree(folder)
            folder.mkdir()
            again = exclusive(folder)
            again.__enter__()
        time.sleep(FOR_THE_LOCK_S)
        started = Workspace(folder)
        again.__exit__(None, None, None)
        removal.result()
    assert started.path.exists()
    started.close()
