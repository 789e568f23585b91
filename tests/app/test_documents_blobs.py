"""Bytes are stored whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest

from app.documents.blobs import BlobStore, StorageFull
from app.errors import UploadTooLarge


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_too_many_bytes_leave_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(UploadTooLarge) as caught:
        store.put(io.BytesIO(b"x" * 11), max_bytes=10)
    assert caught.value.details == {"max_bytes": 10}
    assert files_in(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = BlobStore(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="No space left"):
        store.put(io.BytesIO(b"data"), max_bytes=10)
    assert files_in(tmp_path) == []


def test_a_device_without_space_leaves_nothing(tmp_path: Path) -> None:
    """/dev/full refuses real writes, which the buffer reports only when it is flushed."""
    store = BlobStore(tmp_path)
    writer = store.writer(max_bytes=100)
    os.dup2(os.open("/dev/full", os.O_WRONLY), writer._file.fileno())
    writer.write(b"data")
    with pytest.raises(StorageFull):
        writer.finish()
    assert files_in(tmp_path) == []


def test_a_failing_stream_leaves_nothing(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionError

    store = BlobStore(tmp_path)
    with pytest.raises(ConnectionError):
        store.put(Broken(), max_bytes=10)
    assert files_in(tmp_path) == []


def test_bytes_are_named_by_their_digest(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digest = hashlib.sha256(b"hello").hexdigest()
    assert store.put(io.BytesIO(b"hello"), max_bytes=5) == (digest, 5)
    assert store.path(digest).read_bytes() == b"hello"
    assert list(store.digests()) == [digest]


def test_identical_bytes_are_kept_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.put(io.BytesIO(b"hello"), 5) == store.put(io.BytesIO(b"hello"), 5)
    assert len(files_in(tmp_path)) == 1


def test_staged_bytes_have_no_name_until_they_are_published(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    staged = store.stage(io.BytesIO(b"hello"), 5)
    assert list(store.digests()) == []
    store.publish(staged)
    staged.discard()
    assert list(store.digests()) == [staged.sha256]


def test_deleting_twice_is_harmless(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digest, _ = store.put(io.BytesIO(b"hello"), 5)
    store.delete(digest)
    store.delete(digest)
    assert list(store.digests()) == []


def test_only_digests_are_paths(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        BlobStore(tmp_path).path("../../etc/passwd")


def test_old_temporary_files_are_named(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    staged = store.stage(io.BytesIO(b"cut off"), 10)
    assert store.abandoned(older_than_s=60) == []
    os.utime(staged.path, (1, 1))
    assert store.abandoned(older_than_s=60) == [staged.path]
