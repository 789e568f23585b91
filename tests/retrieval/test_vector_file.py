"""Vectors on disk: what is read and scored is what was written, however the file has grown."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from retrieval.types import Vectors, VectorsLost
from retrieval.vector_file import VectorFile

DIMENSION = 32


def drawn(count: int, seed: int) -> Vectors:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)


@pytest.fixture
def file(tmp_path: Path) -> VectorFile:
    return VectorFile(tmp_path, DIMENSION)


def test_rows_are_read_while_the_file_grows(file: VectorFile) -> None:
    written = np.concatenate([drawn(count, seed=count) for count in (3, 1, 700, 64)])
    start = 0
    for end in (3, 4, 704, 768):
        file.append(written[start:end])
        rows = np.arange(len(file))[::-1]
        assert len(file) == end
        assert np.allclose(file.read(rows), written[rows], rtol=1e-3, atol=1e-6)
        start = end


def test_nearest_is_the_exact_order_of_the_rows_asked_for(file: VectorFile) -> None:
    file.append(written := drawn(500, seed=1))
    asked, rows = drawn(1, seed=2)[0], np.arange(0, 500, 3)
    found, scores = file.nearest(rows, asked, 20)
    exact = written[rows].astype(np.float16).astype(np.float32) @ asked
    order = np.argsort(-exact)[:20]
    assert found.tolist() == rows[order].tolist()
    assert scores == pytest.approx(exact[order], abs=1e-4)


def test_rows_that_were_never_written_are_refused(file: VectorFile) -> None:
    file.append(drawn(5, seed=1))
    for row in (5, -1):
        with pytest.raises(IndexError, match="vector file of 5"):
            file.read(np.array([0, row]))
    assert file.read(np.empty(0, dtype=np.int64)).shape == (0, DIMENSION)


def test_a_file_that_was_cut_is_refused_and_ends_no_process(file: VectorFile, tmp_path: Path) -> None:
    """Its pages are mapped: reading one that is gone would be a SIGBUS."""
    file.append(drawn(5000, seed=1))
    assert not file.cut
    os.truncate(f"/proc/self/fd/{file._descriptor}", 100)
    assert file.cut
    rows, asked = np.arange(4000, 5000), drawn(1, seed=2)[0]
    for use in (
        lambda: file.read(rows),
        lambda: file.nearest(rows, asked, 3),
        lambda: file.append(drawn(1, seed=3)),
    ):
        with pytest.raises(VectorsLost, match="5000 vectors"):
            use()
    with pytest.raises(OSError, match="cannot be read"):
        file.save(tmp_path / "saved")


def test_what_was_saved_is_loaded_without_the_space_behind_it(file: VectorFile, tmp_path: Path) -> None:
    file.append(drawn(100, seed=1))
    file.append(drawn(10, seed=2))
    file.save(tmp_path / "saved")
    assert (tmp_path / "saved").stat().st_size == 110 * DIMENSION * 2
    loaded = VectorFile(tmp_path, DIMENSION)
    loaded.load(tmp_path / "saved")
    rows = np.arange(110)
    assert np.array_equal(loaded.read(rows), file.read(rows))
    (tmp_path / "saved").write_bytes(b"torn")
    with pytest.raises(ValueError, match="no whole rows"):
        VectorFile(tmp_path, DIMENSION).load(tmp_path / "saved")
