"""The GPU table's own behaviour: a row that fails or comes too late is reported and costs no other."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from tests.bench import gpu
from tests.bench.gpu_measure import Row, measured
from tests.conftest import ROOT

GOOD = Row("a step", 2.0, "a peer", 3.0, "10% of bandwidth")


def broken():
    raise RuntimeError("no such kernel")


def test_a_row_that_fails_is_a_row_with_its_error(capsys):
    sources = [("first", lambda: [("bad", broken), ("a step", lambda: GOOD)]), ("second", broken)]
    rows = list(measured(sources, 60))
    assert [row.get("error") for row in rows] == [
        "RuntimeError: no such kernel", None, "RuntimeError: no such kernel"
    ]  # fmt: skip
    assert rows[1]["ratio"] == 1.5
    assert [row["what"] for row in rows] == ["bad", "a step", "second"]
    shown = capsys.readouterr().out.splitlines()
    assert "no such kernel" in shown[0]
    assert shown[1].split() == ["a", "step", "2.000", "3.000", "1.50", "a", "peer,", "10%", "of", "bandwidth"]


def test_no_row_begins_when_the_time_is_up():
    assert list(measured([("all", lambda: [("a step", broken)])], -1)) == [
        {"what": "a step", "error": "left out"}
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(capsys):
    assert gpu.main([]) == gpu.NO_GPU
    assert "no GPU" in capsys.readouterr().err


@pytest.mark.slow
def test_every_row_can_be_measured_in_small_on_a_cpu():
    pytest.importorskip("triton")
    command = [sys.executable, "-m", "tests.bench.gpu", "--dry", "--seconds", "280"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
