"""`footnote bench NAME`: measures the machine, then the subject, and shows rows as they come."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Literal, get_args

from app.settings import Settings
from bench.machine import describe, measure_limits
from bench.report import Report, Row
from bench.session import Session
from model.device import set_threads

Name = Literal[
    "encoder", "reranker", "prefill", "decode", "answer", "search", "ingest", "many", "asking", "memory"
]
Tell = Callable[[str], None]

NAMES: tuple[str, ...] = get_args(Name)


def run_benchmark(name: Name, settings: Settings, tell: Tell, *, quick: bool, require_peers: bool) -> Report:
    """Measures `name` on the CPU and tells every row.

    Raises PeerMissing when peers are required, BenchFailed, and what loading the models raises.
    """
    settings = settings.model_copy(update={"device": "cpu"})  # where the peers are; a GPU is another table
    threads = set_threads(settings.torch_threads)
    limits = measure_limits(quick=quick)
    machine = describe(limits, threads=threads, quick=quick)
    session = Session(settings, limits, threads, quick, require_peers)
    tell(f"{name} on {machine['processor']}, {threads} threads: {machine['limits']}")
    rows = []
    for row in measure(name)(session):
        rows.append(row)
        for line in row.lines():
            tell(line)
    for peer in session.missing:
        tell(f"missing: {peer.name}  ({peer.install})")
    return Report(name, rows, session.missing, machine)


def measure(name: Name) -> Callable[[Session], Iterator[Row]]:
    """The rows of a benchmark; its module, and the libraries it needs, are imported only now."""
    rows: Callable[[Session], Iterator[Row]] = importlib.import_module(f"bench.{name}").rows
    return rows
