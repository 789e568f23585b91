"""A decode step whose attention reads the cache where it lies; `CacheStep` gathers the blocks for torch."""

from __future__ import annotations

import importlib.util
import logging
from typing import Literal

import torch
from torch import Tensor

from model.attention import PagedMask
from model.kv_cache import CacheStep, KVCache

log = logging.getLogger(__name__)

PagedDecode = Literal["auto", "kernel", "gather"]
HEAD_WIDTHS = (16, 32, 64, 128, 256)  # that the kernel takes


class PagedDecodeUnavailable(RuntimeError):
    """The kernel cannot read this cache; the message says why."""


class PagedStep:
    """The past of one forward pass: every new token is a row of the kernel, with its sequence's blocks."""

    def __init__(self, step: CacheStep) -> None:
        self.positions = step.positions
        self._step = step
        longest = max(len(table) for table in step.tables)
        tables = [table + [0] * (longest - len(table)) for table in step.tables]
        device, rows = step.positions.device, step.positions.shape[1]
        by_sequence = torch.tensor(tables, dtype=torch.int32, device=device)
        self._tables = by_sequence.repeat_interleave(rows, dim=0)  # [B * T, blocks]
        lengths = step.positions + 1
        real = lengths if step.real is None else lengths.where(step.real, 0)
        self._lengths = real.flatten().int()

    def extend(
        self, layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, PagedMask]:
        """Store k, v [B, T, K, D]; returns the storage of the layer [blocks, block tokens, K, D]."""
        self._step.store(layer, k, v)
        cache = self._step.cache
        return (
            cache.keys.codes[layer],
            cache.values.codes[layer],
            PagedMask(self._tables, self._lengths, window),
        )


def reads_paged(choice: PagedDecode, cache: KVCache) -> bool:
    """Whether decode steps go through the kernel: `auto` does on a CUDA device where it can.

    Raises PagedDecodeUnavailable for `kernel` where it cannot; `auto` then says why in the log.
    """
    if choice == "gather" or (choice == "auto" and cache.device.type != "cuda"):
        return False
    reason = _obstacle(cache)
    if reason is None:
        return True
    if choice == "kernel":
        raise PagedDecodeUnavailable(reason)
    log.warning("decode steps gather the cache's blocks: %s", reason)
    return False


def _obstacle(cache: KVCache) -> str | None:
    width = cache.keys.codes.shape[-1]
    if cache.device.type != "cuda":
        return "the decoder is not on a CUDA device"
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    if cache.is_in_8_bits:
        return "the kernel does not read a cache in 8 bits"
    if width not in HEAD_WIDTHS:
        return f"heads are {width} wide, and the kernel takes {HEAD_WIDTHS}"
    return None
