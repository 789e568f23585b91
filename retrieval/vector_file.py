"""Vectors by row in half precision on disk: what a coarse search has found is scored again from here.

Only the few rows that a search asks for are read, by `pread`; the kernel keeps what is used in its page cache
and takes that memory back when others need it. Half precision moves a cosine by less than 1e-4.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.types import Vectors

_BLOCK_ROWS = 8192


class VectorFile:
    """Append-only, private to its owner and without a name: it vanishes with the process, however that ends.

    Rows that were written never change, so reading needs no lock; one thread appends at a time.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._descriptor, name = tempfile.mkstemp(dir=folder)
        os.unlink(name)
        weakref.finalize(self, os.close, self._descriptor)  # a search may hold it longer than the index does
        self._dimension = dimension
        self._row_bytes = 2 * dimension
        self._rows = 0

    def __len__(self) -> int:
        """Rows written so far."""
        return self._rows

    def load(self, path: Path) -> None:
        """Take over what `save` wrote; raises ValueError when it does not hold whole rows."""
        size = path.stat().st_size
        if size % self._row_bytes:
            raise ValueError(f"{path}: {size} bytes are no whole rows of {self._row_bytes}")
        with path.open("rb") as source:
            while block := source.read(_BLOCK_ROWS * self._row_bytes):
                self._write(block)
        self._rows = size // self._row_bytes

    def append(self, vectors: Vectors) -> None:
        """Write float32 [N, C] behind the last row."""
        os.lseek(self._descriptor, self._rows * self._row_bytes, os.SEEK_SET)
        self._write(np.ascontiguousarray(vectors, dtype="<f2").tobytes())
        self._rows += len(vectors)  # not reached on a full disk: the next append writes over the torn row

    def read(self, rows: NDArray[np.int64]) -> Vectors:
        """These rows, which must ascend, as float32 [N, C]; neighbours are read together."""
        if not len(rows):
            return np.empty((0, self._dimension), dtype=np.float32)
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        runs = np.split(rows, breaks)
        content = b"".join(self._pread(int(run[0]), len(run)) for run in runs)
        halves = np.frombuffer(content, dtype="<f2").reshape(len(rows), self._dimension)
        return halves.astype(np.float32)

    def save(self, path: Path) -> None:
        """Copy every row into a new file."""
        with path.open("wb") as target:
            for start in range(0, self._rows, _BLOCK_ROWS):
                target.write(self._pread(start, min(_BLOCK_ROWS, self._rows - start)))

    def _write(self, content: bytes) -> None:
        written = 0
        while written < len(content):
            written += os.write(self._descriptor, content[written:])

    def _pread(self, first: int, count: int) -> bytes:
        content = os.pread(self._descriptor, count * self._row_bytes, first * self._row_bytes)
        if len(content) != count * self._row_bytes:
            raise OSError(f"rows {first} to {first + count} of the vector file cannot be read")
        return content
