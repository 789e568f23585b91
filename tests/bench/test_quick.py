"""Every benchmark end to end with small inputs: `pytest -m bench tests/bench`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.command import NAMES
from tests.conftest import ROOT


@pytest.mark.bench
@pytest.mark.weights
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_look(name: str) -> None:
    command = [sys.executable, "-m", "app.cli", "bench", name, "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    shown = json.loads(done.stdout.splitlines()[-1])
    assert shown["name"] == name
    assert shown["rows"]
    for row in shown["rows"]:
        assert row["ours"] > 0
        assert row["ratio"].keys() == row["peers"].keys()
        assert row["spread_percent"].keys() == {"ours"} | row["peers"].keys()
    assert shown["machine"]["limits"]["read_gb_s"] > 0
