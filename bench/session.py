"""What every benchmark is given: settings, limits, how long it may take, where missing peers are noted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from app.errors import AppError
from app.settings import Settings
from app.wiring import models_folder
from bench.machine import Limits
from bench.measure import Figures, Run, alternate
from bench.peers import Missing, Peer, load_peers

T = TypeVar("T")
QUICK_BUDGET_S = 4.0  # of one comparison
QUICK_ROUNDS = 3


class BenchFailed(AppError):
    """A benchmark could not measure what it is for."""

    code = "bench_failed"
    stage = "bench"


@dataclass(frozen=True, slots=True)
class Session:
    """One call of `footnote bench`."""

    settings: Settings
    limits: Limits
    threads: int
    quick: bool = False
    require_peers: bool = False
    missing: list[Missing] = field(default_factory=list)

    def peers(self, peers: Sequence[Peer[T]]) -> dict[str, T]:
        """Those installed; the others are noted as missing. Raises PeerMissing when all are required."""
        present, missing = load_peers(peers, required=self.require_peers)
        self.missing.extend(missing)
        return present

    def compare(
        self, subjects: Mapping[str, Run], *, rounds: int = 7, budget_s: float = 40.0
    ) -> dict[str, list[Figures]]:
        """Alternating runs within the budget, or within far less of it for a quick look."""
        if self.quick:
            rounds, budget_s = min(rounds, QUICK_ROUNDS), QUICK_BUDGET_S
        return alternate(subjects, rounds=rounds, budget_s=budget_s)

    def size(self, full: int, quick: int) -> int:
        """The size of an input."""
        return quick if self.quick else full

    @contextmanager
    def scratch(self) -> Iterator[Settings]:
        """Settings over an empty data folder with its own database; prepared weights are shared."""
        with tempfile.TemporaryDirectory(prefix="footnote-bench-") as folder:
            prepared = models_folder(self.settings)
            prepared.mkdir(parents=True, exist_ok=True)
            (Path(folder) / "models").symlink_to(prepared.absolute(), target_is_directory=True)
            yield self.settings.model_copy(update={"data_dir": Path(folder), "database_url": None})
