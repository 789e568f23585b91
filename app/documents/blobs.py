"""Original bytes on disk, named by their SHA-256.

A blob is received into a temporary file while it is hashed, and renamed into place only when it is
complete and flushed, so a crash or a full disk never leaves half a file under a final name. Receiving
and publishing are two steps because the rename belongs inside the transaction that adds the document:
then a deletion of the same bytes at the same moment cannot take the file away in between.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.errors import AppError, UploadTooLarge

READ_BYTES = 1024 * 1024
SHA256_HEX = re.compile(r"[0-9a-f]{64}")


class StorageFull(AppError):
    """The disk refused the bytes; nothing was kept."""

    status_code = 507
    code = "storage_full"
    stage = "stored"
    default_next_step = "Free disk space or move FOOTNOTE_DATA_DIR, then upload again."


@dataclass(frozen=True, slots=True)
class StagedBlob:
    """Complete bytes that no name refers to yet."""

    path: Path
    sha256: str
    size_bytes: int

    def discard(self) -> None:
        """Removes the temporary file; harmless after publishing."""
        self.path.unlink(missing_ok=True)


class BlobWriter:
    """Receives one blob piece by piece, hashing and counting as it goes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
        self._file = os.fdopen(handle, "wb")
        self._path = Path(name)
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Appends; raises UploadTooLarge past the limit and StorageFull when the disk is full."""
        self._size_bytes += len(data)
        if self._size_bytes > self._max_bytes:
            self.abort()
            raise UploadTooLarge(
                f"The file is larger than {self._max_bytes} bytes.", max_bytes=self._max_bytes
            )
        self._hash.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            self.abort()
            raise StorageFull(f"The file could not be stored: {error.strerror}.") from error

    def finish(self) -> StagedBlob:
        """Flushes to the disk and closes; raises StorageFull."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            self.abort()
            raise StorageFull(f"The file could not be stored: {error.strerror}.") from error
        return StagedBlob(self._path, self._hash.hexdigest(), self._size_bytes)

    def abort(self) -> None:
        """Closes and removes what was received."""
        try:
            self._file.close()
        except OSError:
            # Closing flushes, which fails again on a full disk; the second close always releases the file.
            self._file.close()
        self._path.unlink(missing_ok=True)


class BlobStore:
    """Files under `folder/ab/abcdef...`; identical bytes are kept once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary = folder / "incoming"
        self._temporary.mkdir(parents=True, exist_ok=True)

    def writer(self, max_bytes: int) -> BlobWriter:
        """A writer for one incoming file of at most `max_bytes`; raises StorageFull."""
        try:
            return BlobWriter(self._temporary, max_bytes)
        except OSError as error:
            raise StorageFull(f"The file could not be stored: {error.strerror}.") from error

    def stage(self, stream: BinaryIO, max_bytes: int) -> StagedBlob:
        """Reads `stream` to its end; raises UploadTooLarge or StorageFull and then keeps nothing."""
        writer = self.writer(max_bytes)
        try:
            while data := stream.read(READ_BYTES):
                writer.write(data)
        except BaseException:
            writer.abort()
            raise
        return writer.finish()

    def has(self, staged: StagedBlob) -> bool:
        """Whether these bytes are here, and all of them."""
        try:
            return self.path(staged.sha256).stat().st_size == staged.size_bytes
        except FileNotFoundError:
            return False

    def publish(self, staged: StagedBlob) -> None:
        """Gives staged bytes their final name, atomically and durably."""
        final = self.path(staged.sha256)
        try:
            if not final.parent.exists():
                final.parent.mkdir(exist_ok=True)
                _flush_folder(self._folder)
            staged.path.replace(final)
            _flush_folder(final.parent)
        except OSError as error:
            staged.discard()
            raise StorageFull(f"The file could not be stored: {error.strerror}.") from error

    def put(self, stream: BinaryIO, max_bytes: int) -> tuple[str, int]:
        """Stages and publishes in one go: (sha256, size in bytes)."""
        staged = self.stage(stream, max_bytes)
        self.publish(staged)
        return staged.sha256, staged.size_bytes

    def path(self, sha256: str) -> Path:
        """Where these bytes are, or would be; ValueError when `sha256` is not a digest."""
        if not SHA256_HEX.fullmatch(sha256):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self._folder / sha256[:2] / sha256

    def delete(self, sha256: str) -> None:
        """Removes these bytes if they are there."""
        self.path(sha256).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """The SHA-256 of every stored blob."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if SHA256_HEX.fullmatch(path.name):
                yield path.name

    def sizes(self) -> dict[str, int]:
        """The size in bytes of every stored blob."""
        return {sha256: self.path(sha256).stat().st_size for sha256 in self.digests()}

    def abandoned(self, older_than_s: float) -> list[Path]:
        """Temporary files that a crash left behind: older than any upload still running."""
        oldest = time.time() - older_than_s
        return [path for path in self._temporary.glob("*.part") if _modified_s(path) < oldest]


def _modified_s(path: Path) -> float:
    """Modification time; the end of time for a file that has just been renamed away."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _flush_folder(folder: Path) -> None:
    """A rename is durable only when the folder itself is flushed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
