"""The machine and its two limits, measured in the same run as everything else: products and memory reads."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from bench.measure import seconds

TOLD_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8")
ROWS, INNER, COLUMNS = 1024, 2048, 2048  # of the measured matrix product
READ_BYTES = 512 * 2**20  # far more than any cache; halved for a quick look
REPEATS = 7


@dataclass(frozen=True, slots=True)
class Limits:
    """The best rates seen with the threads in use."""

    fp32_flops: float  # floating-point operations a second in a matrix product, a multiply-add being two
    bf16_flops: float
    read_bytes_s: float  # bytes a second in one large read

    @property
    def matrix(self) -> tuple[str, float]:
        """The faster kind of product: its name and rate."""
        if self.bf16_flops > self.fp32_flops:
            return "the bf16 matrix rate", self.bf16_flops
        return "the fp32 matrix rate", self.fp32_flops

    def json(self) -> dict[str, float]:
        """Rounded, in the units people compare."""
        return {
            "fp32_gflops": round(self.fp32_flops / 1e9, 1),
            "bf16_gflops": round(self.bf16_flops / 1e9, 1),
            "read_gb_s": round(self.read_bytes_s / 1e9, 1),
        }


def measure_limits(*, quick: bool = False) -> Limits:
    """Both limits of this machine with torch's present thread count; takes a second or two."""
    repeats = 3 if quick else REPEATS
    read_bytes = READ_BYTES // 2 if quick else READ_BYTES
    return Limits(
        fp32_flops=_product_flops(torch.float32, repeats),
        bf16_flops=_product_flops(torch.bfloat16, repeats),
        read_bytes_s=_read_rate(read_bytes, repeats),
    )


@torch.inference_mode()
def _product_flops(dtype: torch.dtype, repeats: int) -> float:
    a = torch.randn(ROWS, INNER).to(dtype)
    b = torch.randn(COLUMNS, INNER).to(dtype)  # transposed, as linear layers keep their weights
    best_s = _best_s(lambda: torch.nn.functional.linear(a, b), repeats)
    return 2 * ROWS * INNER * COLUMNS / best_s


@torch.inference_mode()
def _read_rate(read_bytes: int, repeats: int) -> float:
    numbers = torch.ones(read_bytes // 4)
    return read_bytes / _best_s(numbers.sum, repeats)


def _best_s(function: Callable[[], object], repeats: int) -> float:
    function()
    return min(seconds(function) for _ in range(repeats))


def describe(limits: Limits, *, threads: int, quick: bool) -> dict[str, Any]:
    """The conditions that a figure needs beside it; nothing that names the host."""
    name, flags = _processor()
    return {
        "processor": name,
        "flags": [flag for flag in TOLD_FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_1_min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "quick": quick,
        "limits": limits.json(),
    }


def _processor() -> tuple[str, set[str]]:
    """Model name and instruction sets."""
    path = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    for line in path.read_text().splitlines() if path.is_file() else ():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return fields.get("model name", platform.processor()), flags
