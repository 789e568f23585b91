"""Choosing where and in which type to compute."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from model.device import choose_device, choose_dtype, has_native_bfloat16, set_threads

CPU = torch.device("cpu")


def test_auto_finds_a_device() -> None:
    assert choose_device("auto").type in ("cpu", "cuda")
    assert choose_device("cpu") == CPU


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="tpu"):
        choose_device("tpu")


def test_an_absent_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device"):
        choose_device("cuda")


def test_an_unknown_dtype_is_refused() -> None:
    unknown: Any = "float16"
    with pytest.raises(ValueError, match="float16"):
        choose_dtype(unknown)


@pytest.mark.parametrize("native", [True, False])
def test_emulated_bfloat16_gives_way_to_float32(
    native: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    assert has_native_bfloat16(CPU) is native
    with caplog.at_level(logging.WARNING):
        chosen = choose_dtype("bfloat16", CPU)
    assert chosen == (torch.bfloat16 if native else torch.float32)
    assert bool(caplog.records) is not native
    assert choose_dtype("bfloat16") == torch.bfloat16


def test_threads_are_counted() -> None:
    before = torch.get_num_threads()
    try:
        assert set_threads(1) == 1
        assert set_threads(0) >= 1
        with pytest.raises(ValueError, match="negative"):
            set_threads(-1)
    finally:
        torch.set_num_threads(before)
