"""`footnote bench` on a subject of no cost: what it prints, its JSON, its exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from app import cli
from bench import command, machine
from bench.machine import Limits
from bench.peers import Peer
from bench.report import Row, row_of
from bench.session import Session

LIMITS = Limits(fp32_flops=2e11, bf16_flops=9e11, read_bytes_s=3e10)


def rows(session: Session) -> Iterator[Row]:
    """Compares 20 with 10, and with something that is not there."""
    session.peers([Peer("absent", ("no_such_module_of_ours",), "pip install absent", lambda: None)])
    assert session.settings.device == "cpu"
    results = session.compare({"ours": lambda _: (20.0,), "peer": lambda _: (10.0,)})
    assert len(results["ours"]) == 3, "a quick look takes three rounds"
    yield row_of("counting", "items/s", results, of_limit=0.5, limit="the limit")


@pytest.fixture
def footnote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("FOOTNOTE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(command, "measure", lambda name: rows)
    monkeypatch.setattr(command, "measure_limits", lambda quick: LIMITS)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["footnote", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capsys.readouterr()
        return int(stopped.value.code or 0), shown.out, shown.err

    return run


def test_rows_missing_peers_and_one_json_object_as_the_last_line(footnote) -> None:
    code, out, _ = footnote("bench", "search", "--quick", "--json")
    assert code == 0
    assert "ours is 2.00x" in out
    assert "missing: absent  (pip install absent)" in out
    shown = json.loads(out.splitlines()[-1])
    assert shown["name"] == "search"
    assert shown["rows"][0]["ratio"] == {"peer": 2.0}
    assert shown["machine"]["limits"] == {"fp32_gflops": 200.0, "bf16_gflops": 900.0, "read_gb_s": 30.0}
    assert shown["machine"]["quick"] is True


def test_without_json_the_last_line_is_for_people(footnote) -> None:
    _, out, _ = footnote("bench", "search", "--quick")
    assert out.splitlines()[-1].startswith("missing: absent")


def test_required_peers_make_a_missing_one_an_error(footnote) -> None:
    code, _, err = footnote("bench", "search", "--quick", "--require-peers")
    assert code == 2
    assert "pip install absent" in err
    assert "[peer_missing]" in err


def test_an_unknown_benchmark_is_refused(footnote) -> None:
    code, _, err = footnote("bench", "everything")
    assert code == 2
    assert "everything" in err


def test_command_line_and_benchmarks_have_the_same_names() -> None:
    assert get_args(cli.Benchmark) == command.NAMES
    folder = Path(command.__file__).parent
    assert all((folder / f"{name}.py").is_file() for name in command.NAMES)


def test_the_faster_product_is_the_limit_and_no_host_is_named() -> None:
    assert LIMITS.matrix == ("the bf16 matrix rate", 9e11)
    assert Limits(2e11, 1e10, 1.0).matrix == ("the fp32 matrix rate", 2e11)
    described = machine.describe(LIMITS, threads=2, quick=False)
    assert described["threads"] == 2
    assert not {"host", "node", "hostname", "user"} & described.keys()


def test_measured_limits_are_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROWS", 8), ("INNER", 16), ("COLUMNS", 8), ("READ_BYTES", 4096)):
        monkeypatch.setattr(machine, name, value)
    limits = machine.measure_limits(quick=True)
    assert min(limits.fp32_flops, limits.bf16_flops, limits.read_bytes_s) > 0
