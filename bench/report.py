"""What a benchmark says: lines for people, one JSON object for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.measure import Figures, Sample, samples
from bench.peers import Missing

OURS = "ours"
NAME_WIDTH = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. Ratios are ours over the peer's: above 1 is faster for rates, below 1 for times."""

    what: str
    unit: str
    ours: Sample
    peers: Mapping[str, Sample] = field(default_factory=dict)
    of_limit: float | None = None  # share 0..1 of the machine's limit that ours reached
    limit: str | None = None  # which limit that is

    @property
    def ratio(self) -> dict[str, float]:
        """Median of ours over the median of each peer; a peer that measured 0 has none."""
        return {
            name: self.ours.median / sample.median for name, sample in self.peers.items() if sample.median
        }

    def lines(self) -> Iterator[str]:
        """Ours, then each peer with the ratio to it."""
        share = "" if self.of_limit is None else f"  {100 * self.of_limit:.1f}% of {self.limit}"
        yield _line(self.what, self.unit, self.ours) + share
        for name, sample in self.peers.items():
            ratio = f"  ours is {self.ratio[name]:.2f}x" if name in self.ratio else ""
            yield _line(f"    {name}", self.unit, sample) + ratio

    def json(self) -> dict[str, Any]:
        """Medians, with the spreads (percent) beside them."""
        return {
            "what": self.what,
            "ours": _rounded(self.ours.median),
            "unit": self.unit,
            "peers": {name: _rounded(sample.median) for name, sample in self.peers.items()},
            "ratio": {name: _rounded(ratio) for name, ratio in self.ratio.items()},
            "of_limit": None if self.of_limit is None else _rounded(self.of_limit),
            "limit": self.limit,
            "spread_percent": {
                name: _rounded(sample.spread_percent)
                for name, sample in ({OURS: self.ours} | dict(self.peers)).items()
            },
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one benchmark measured."""

    name: str
    rows: Sequence[Row]
    missing: Sequence[Missing]
    machine: Mapping[str, Any]

    def json(self) -> dict[str, Any]:
        """`{"name", "rows", "machine", "missing"}`, plain values."""
        return {
            "name": self.name,
            "rows": [row.json() for row in self.rows],
            "machine": dict(self.machine),
            "missing": [{"name": peer.name, "install": peer.install} for peer in self.missing],
        }


def row_of(
    what: str,
    unit: str,
    results: Mapping[str, Sequence[Figures]],
    column: int = 0,
    *,
    of_limit: float | None = None,
    limit: str | None = None,
) -> Row:
    """A row from the results of `alternate`, in which ours goes by the name `ours`."""
    summed = samples(results, column)
    ours = summed.pop(OURS)
    return Row(what, unit, ours, summed, of_limit, limit)


def _line(name: str, unit: str, sample: Sample) -> str:
    figure = f"{_rounded(sample.median):,} {unit}"
    return f"{name:{NAME_WIDTH}} {figure:>20}  IQR {sample.spread_percent:.0f}%"


def _rounded(value: float) -> float:
    """Four significant digits; whole numbers from 1,000 on."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.4g}")
