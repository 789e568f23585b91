"""Cores that a container pays for bound the threads of models, index builds and workers alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import pytest

import model.device
from app import processes
from app.processes import worker_children
from app.settings import Settings
from retrieval import cores, growing


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a container's quota would be written, on a machine of eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path / "cpu.max"


@pytest.mark.parametrize("usable_cores", [cores.usable_cores, model.device.usable_cores])
@pytest.mark.parametrize(
    ("limit", "usable"),
    [
        ("max 100000\n", 8),
        ("150000 100000\n", 2),
        ("5000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("", 8),
        ("1 0", 8),
    ],
)
def test_a_quota_of_processor_time_bounds_the_cores(
    quota: Path, usable_cores: Callable[[Path], int], limit: str, usable: int
) -> None:
    assert usable_cores(quota) == 8  # there is none
    quota.write_text(limit)
    assert usable_cores(quota) == usable


def test_several_workers_share_what_the_quota_pays_for(quota: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "usable_cores", partial(cores.usable_cores, quota))
    shared = [child.env["FOOTNOTE_TORCH_THREADS"] for child in worker_children(Settings(), 2)]
    assert shared == ["4", "4"]
    quota.write_text("200000 100000\n")
    bounded = [child.env["FOOTNOTE_TORCH_THREADS"] for child in worker_children(Settings(), 2)]
    assert bounded == ["1", "1"]
    set_by_hand = worker_children(Settings(torch_threads=3), 2)
    assert [child.env["FOOTNOTE_TORCH_THREADS"] for child in set_by_hand] == ["3", "3"]


def test_an_index_is_built_on_half_of_what_the_quota_pays_for(
    quota: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "usable_cores", partial(cores.usable_cores, quota))
    assert growing._on_half_the_cores(faiss.omp_get_max_threads) == 4
    quota.write_text("400000 100000\n")
    assert growing._on_half_the_cores(faiss.omp_get_max_threads) == 2
