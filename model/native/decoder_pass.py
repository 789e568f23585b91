"""New tokens through the native step, which can stop between two layers."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from torch import Tensor

from model.forward_pass import Interrupt, remaining_share
from model.kv_cache import CacheStep

if TYPE_CHECKING:
    from model.native.decoder import NativeDecoder

MAX_ROWS = 1024  # new tokens of one call, which bounds its memory


class CRow(ctypes.Structure):
    """One new token: the blocks of its sequence, and its position."""

    _fields_ = (("table", ctypes.c_void_p), ("position", ctypes.c_int64))


class NativePass:
    """New tokens through all layers by native steps, at most MAX_ROWS at a time; see `ForwardPass`."""

    def __init__(self, native: NativeDecoder, states: Tensor, step: CacheStep, *, is_prompt: bool) -> None:
        """`states`, embedded tokens float32 [N, C], are overwritten."""
        self.states = states  # final once `run` returned True
        self._native, self._step, self._is_prompt = native, step, is_prompt
        self._tables = [(ctypes.c_int32 * len(table))(*table) for table in step.tables]
        self._rows = [
            CRow(ctypes.addressof(table), start + offset)
            for table, start, count in zip(self._tables, step.starts, step.counts, strict=True)
            for offset in range(count)
        ]
        self._first, self._layer = 0, 0  # rows that are done, and the layer that the next ones reached

    def run(self, interrupt: Interrupt | None = None) -> bool:
        """As `ForwardPass.run`."""
        while self._first < len(self._rows):  # later rows read what earlier ones have stored
            last = self._first + MAX_ROWS
            self._layer = self._native.layers(
                self._step,
                self._rows[self._first : last],
                self.states[self._first : last],
                first=self._layer,
                is_prompt=self._is_prompt,
                interrupt=interrupt,
            )
            if self._layer < self._native.config.layers:
                return False
            self._first, self._layer = last, 0
        return True

    @property
    def last_state(self) -> Tensor:
        """As `ForwardPass.last_state`."""
        return self.states[-1]

    @property
    def remaining_tokens(self) -> int:
        """As `ForwardPass.remaining_tokens`."""
        left, layers = max(0, len(self._rows) - self._first), self._native.config.layers
        now = min(left, MAX_ROWS)
        return left - now + remaining_share(now, layers - self._layer, layers)
