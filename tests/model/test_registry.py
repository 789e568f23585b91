"""The packaged decoder is put together once, durably, and again when what was kept is damaged."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.registry import GEMMA_MODULE, GEMMA_PACKAGE, ChecksumMismatch, ModelNotFound, resolve_decoder
from model.train.loop import save_atomically

WEIGHTS = b"the decoder"


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only part of a small package, whose checksum is the expected one."""
    path = tmp_path / "part"
    path.write_bytes(WEIGHTS)
    package = importlib.import_module(GEMMA_MODULE)
    monkeypatch.setattr(package, "chunk_paths", lambda: [path])
    monkeypatch.setattr(package, "EXPECTED_SHA256", hashlib.sha256(WEIGHTS).hexdigest())
    return path


def test_a_damaged_file_is_put_together_again(
    tmp_path: Path, part: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = resolve_decoder(GEMMA_PACKAGE, tmp_path / "models")
    assert not caplog.records
    first.path.write_bytes(WEIGHTS[:-4])
    with caplog.at_level(logging.WARNING):
        assert resolve_decoder(GEMMA_PACKAGE, tmp_path / "models") == first
    assert "put together again" in caplog.text
    assert first.path.read_bytes() == WEIGHTS
    assert list(first.path.parent.iterdir()) == [first.path]


def test_a_damaged_file_of_damaged_packages_is_refused(tmp_path: Path, part: Path) -> None:
    kept = resolve_decoder(GEMMA_PACKAGE, tmp_path / "models").path
    for path in (kept, part):
        path.write_bytes(WEIGHTS[:-4])
    with pytest.raises(ChecksumMismatch, match="sha256 did not match"):
        resolve_decoder(GEMMA_PACKAGE, tmp_path / "models")


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path, part: Path) -> None:
    (tmp_path / "models").touch()
    with pytest.raises(ModelNotFound, match="cannot be written"):
        resolve_decoder(GEMMA_PACKAGE, tmp_path / "models")


def put_together(folder: Path) -> Path:
    return resolve_decoder(GEMMA_PACKAGE, folder).path


def checkpoint(folder: Path) -> Path:
    save_atomically({"step": torch.tensor(1)}, folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


@pytest.mark.parametrize("write", [put_together, checkpoint])
def test_bytes_are_on_the_disk_before_the_file_has_its_name(
    tmp_path: Path, part: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Path]
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    assert write(tmp_path).stat().st_ino in synced
