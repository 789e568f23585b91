"""Where tensors live and how many threads work on them: chosen once, at start."""

from __future__ import annotations

import ctypes
import logging
import math
import os
from pathlib import Path
from typing import Literal

import torch

log = logging.getLogger(__name__)

_KERNEL_CACHE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_FEW_KERNELS = "16"  # four products a batch, the same in every block

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of this container (Linux, "Control Group v2": cpu.max)

DType = Literal["float32", "bfloat16"]


class DeviceUnavailable(ValueError):
    """A device is unknown, or not in this machine."""


def choose_device(name: str = "auto") -> torch.device:
    """`auto` takes CUDA where there is one; raises DeviceUnavailable for an unknown or absent device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise DeviceUnavailable(f"device must be auto, cpu or cuda, not {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable("device is cuda, but no CUDA device is visible")
    return torch.device(name)


def choose_dtype(name: DType, device: torch.device | None = None) -> torch.dtype:
    """The torch type of a configured name; raises ValueError for any other.

    Given the device, bfloat16 becomes float32 where it would be emulated, and the log says so.
    """
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name not in dtypes:
        raise ValueError(f"dtype must be float32 or bfloat16, not {name!r}")
    if name == "bfloat16" and device is not None and not has_native_bfloat16(device):
        log.warning("bfloat16 is emulated on this %s: computing in float32", device.type)
        return torch.float32
    return dtypes[name]


def has_native_bfloat16(device: torch.device) -> bool:
    """Whether bf16 products run in hardware; emulated ones were measured 50 times slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def set_threads(count: int) -> int:
    """Let torch use `count` CPU threads, 0 meaning `usable_cores`; returns the count."""
    if count < 0:
        raise ValueError(f"thread count must not be negative: {count}")
    threads = count or usable_cores()
    torch.set_num_threads(threads)
    return threads


def usable_cores(quota: Path = CPU_QUOTA) -> int:
    """Cores that this process may run on, or as many as its container's quota pays for, if these are fewer.

    Threads beyond a quota use it up before its period ends, and then all stand still, those at a barrier too.
    """
    bound = len(os.sched_getaffinity(0))
    try:
        limit, period = quota.read_text().split()
        return bound if limit == "max" else min(bound, max(1, math.ceil(int(limit) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or none that we can read: no quota known
        return bound


def keep_few_kernels() -> None:
    """Let oneDNN keep the kernels of the newest batch only; it reads this at its first product.

    It builds one a shape and keeps 1,024. Batches of packed texts hardly ever have the same number of tokens
    twice: a process that embeds a long document grew by 700 MB with kernels that it never used again.
    """
    os.environ.setdefault(_KERNEL_CACHE, _FEW_KERNELS)


def give_memory_back() -> None:
    """Hand freed memory to the system, where the C library can: loading leaves hundreds of megabytes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
