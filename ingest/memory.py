"""What was computed for one document: vectors of its texts and the tokens of its pages.

The vectors of a long document are also kept in a file, so that a worker that is killed costs little: the next
try finds what the last one embedded.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.types import Encode, TokenSpans

KEEP_AFTER_S: Final = 2.0  # work that took less is done again sooner than it is kept
_DIGEST_BYTES: Final = 16


class SpanMemory:
    """Token spans of texts seen before, as compact arrays: a page is cut early and once more at the end."""

    def __init__(self, token_spans: TokenSpans) -> None:
        self._token_spans = token_spans
        self._known: dict[bytes, NDArray[np.int32]] = {}

    def __call__(self, text: str) -> Sequence[tuple[int, int]]:
        """The character span of each token of `text`."""
        key = _digest(text)
        if key not in self._known:
            self._known[key] = np.array(self._token_spans(text), np.int32).reshape(-1, 2)
        return [(start, end) for start, end in self._known[key].tolist()]


class VectorMemory:
    """Texts to unit vectors, each computed once. With a `file` the work of seconds outlives the process."""

    def __init__(self, encode: Encode, file: Path | None = None) -> None:
        self._encode = encode
        self._file = file
        self._known = {} if file is None else _load(file)
        self._unsaved: list[tuple[bytes, NDArray[np.float32]]] = []
        self._spent_s = 0.0
        self._saved_any = bool(self._known)

    def __contains__(self, text: str) -> bool:
        return _digest(text) in self._known

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of `texts`, float32 [B, C]; they are remembered."""
        started = time.monotonic()
        vectors = self._encode(texts)
        self._spent_s += time.monotonic() - started
        for text, vector in zip(texts, vectors, strict=True):
            key = _digest(text)
            self._known[key] = vector
            self._unsaved.append((key, vector))
        if self._saved_any or self._spent_s > KEEP_AFTER_S:
            self._save()
        return vectors

    def rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The remembered vectors of `texts`, in their order; raises KeyError for an unknown one."""
        return np.stack([self._known[_digest(text)] for text in texts]).astype(np.float32, copy=False)

    def _save(self) -> None:
        """Appends; a torn end is cut off when the file is read, and a full disk only costs this memory."""
        if self._file is None or not self._unsaved:
            return
        records = [key + _packed(vector) for key, vector in self._unsaved]
        self._unsaved.clear()
        try:
            with self._file.open("ab") as stream:
                stream.write(b"".join(records))
        except OSError:  # the work goes on; storing the result will tell what is wrong with the disk
            self._file = None
            return
        self._saved_any = True


def vectors_file(folder: Path, encoder_id: str, dimension: int) -> Path:
    """Where the vectors of this encoder are kept below `folder`."""
    return folder / f"vectors-{_digest(encoder_id).hex()}-{dimension}.bin"


def _load(file: Path) -> dict[bytes, NDArray[np.float32]]:
    """Every whole record; the file is cut behind the last one, so that appending stays aligned."""
    if not file.exists():
        return {}
    dimension = int(file.stem.rpartition("-")[2])
    size = _DIGEST_BYTES + 4 + 4 * dimension
    data = file.read_bytes()
    whole = len(data) - len(data) % size
    if whole < len(data):
        with file.open("r+b") as stream:
            stream.truncate(whole)
    records = (data[start : start + size] for start in range(0, whole, size))
    return {record[:_DIGEST_BYTES]: _vector(record) for record in records if _is_intact(record)}


def _packed(vector: NDArray[np.float32]) -> bytes:
    """Checksum and little-endian float32."""
    data = np.ascontiguousarray(vector, "<f4").tobytes()
    return zlib.crc32(data).to_bytes(4, "little") + data


def _is_intact(record: bytes) -> bool:
    data = record[_DIGEST_BYTES + 4 :]
    return zlib.crc32(data).to_bytes(4, "little") == record[_DIGEST_BYTES : _DIGEST_BYTES + 4]


def _vector(record: bytes) -> NDArray[np.float32]:
    return np.frombuffer(record[_DIGEST_BYTES + 4 :], "<f4").astype(np.float32)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
