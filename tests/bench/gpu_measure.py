"""Rows of the GPU table: how they are timed, printed as they are done, and kept going past one that fails."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

import torch

REPEATS, WARM_UPS = 20, 3
COPY_BYTES = 2**30
FLUSH_BYTES = 2**30  # more than any L2 cache


@dataclass(frozen=True)
class Row:
    """One line of the table; times are medians in milliseconds."""

    what: str
    ours_ms: float
    peer: str
    peer_ms: float
    of_limit: str  # arithmetic rate, or the share of the card's bandwidth

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.peer_ms / self.ours_ms

    def __str__(self) -> str:
        times = f"{self.ours_ms:>10.3f}{self.peer_ms:>10.3f}{self.ratio:>8.2f}"
        return f"{self.what:<42}{times}  {self.peer}, {self.of_limit}"


Case = tuple[str, Callable[[], Row]]  # its name, should it fail, and what measures it
Source = tuple[str, Callable[[], Iterable[Case]]]


def median_ms(device: str, *calls: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Median time of each call, the calls alternating."""
    on_gpu = device == "cuda"
    flush = torch.empty(FLUSH_BYTES if on_gpu else 1, dtype=torch.int8, device=device)
    times: list[list[float]] = [[] for _ in calls]
    for repeat in range(WARM_UPS + repeats):  # to warm up: compilation, allocation, clocks
        for call, mine in zip(calls, times, strict=True):
            flush.zero_()
            taken = _event_ms(call) if on_gpu else _clock_ms(call)
            if repeat >= WARM_UPS:
                mine.append(taken)
    return [statistics.median(mine) for mine in times]


def _event_ms(call: Callable[[], object]) -> float:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def _clock_ms(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1e3


def copy_bytes_per_s(device: str) -> float:
    """Bytes read and written a second by a copy that is larger than the cache."""
    size = COPY_BYTES if device == "cuda" else 2**20
    source = torch.empty(size, dtype=torch.int8, device=device).random_()
    target = torch.empty_like(source)
    (taken,) = median_ms(device, lambda: target.copy_(source))
    return 2 * size / taken * 1e3


def measured(sources: Iterable[Source], seconds: float) -> Iterator[dict[str, object]]:
    """Every row, printed when it is done. One that fails is a row with its error; a late one is left out."""
    end = time.monotonic() + seconds
    for what, case in _cases(sources):
        if time.monotonic() > end:
            print(f"{what:<42}left out: the time is up", flush=True)
            yield {"what": what, "error": "left out"}
            continue
        try:
            row = case()
        except Exception as error:  # noqa: BLE001 - one row must not cost the others
            text = f"{type(error).__name__}: {error}"
            print(f"{what:<42}failed: {text[:300]!r}", flush=True)
            yield {"what": what, "error": text}
            continue
        print(row, flush=True)
        yield {**asdict(row), "ratio": round(row.ratio, 3)}


def _cases(sources: Iterable[Source]) -> Iterator[Case]:
    """All cases; a source that cannot even be set up is one that fails."""
    for name, source in sources:
        try:
            yield from source()
        except Exception as error:  # noqa: BLE001 - as above

            def fail(error: Exception = error) -> Row:
                raise error

            yield name, fail
