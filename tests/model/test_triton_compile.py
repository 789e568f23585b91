"""Every tile of the tables compiles for a real card and fits its shared memory; no card is needed.

The interpreter accepts Python that Triton's compiler refuses, so this is the half of the check that a CPU can
still do. Run alone: `pytest -m slow tests/model/test_triton_compile.py`.
"""

from __future__ import annotations

import importlib.util
import os

import pytest
import torch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed"),
    pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="the interpreter is on everywhere"),
]
CARDS = {
    "H200": (90, 227 * 1024),
    "consumer": (89, 99 * 1024),
}  # compute capability, bytes a program may share
WIDTHS = (64, 128, 256)
POINTERS = {torch.bfloat16: "*bf16", torch.float32: "*fp32"}


@pytest.fixture(autouse=True)
def no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def shared_after_compiling(kernel, capability, types, constants, *, warps, stages):
    """Bytes of shared memory that one program of the kernel takes; other arguments are aligned int32."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else types.get(name, "i32") for name in names}
    counts = {"heads", "group", "rows", "window", "scale", "splits"}
    aligned = [name for name in names if name not in constants and name not in counts]
    source = ASTSource(
        kernel,
        signature,
        {(names.index(name),): value for name, value in constants.items()},
        {(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    options = {"num_warps": warps, "num_stages": stages, "enable_fp_fusion": True}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options).metadata.shared


@pytest.mark.parametrize("dtype", POINTERS)
@pytest.mark.parametrize("rows", [1, 900])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("card", CARDS)
def test_prefill_fits(card, width, rows, dtype):
    from model.attention import triton_kernels

    capability, limit = CARDS[card]
    tile = triton_kernels.choose_tile(rows, width, dtype, limit)
    types = dict.fromkeys(("q", "k", "v", "out"), POINTERS[dtype])
    types |= {"query_starts": "*i64", "key_lengths": "*i64", "scale": "fp32"}
    constants = {
        **dict.fromkeys(("CAUSAL", "HAS_WINDOW", "HAS_STARTS", "HAS_LENGTHS"), True),
        "WIDTH": width,
        "TILE_ROWS": tile.rows,
        "TILE_KEYS": tile.keys,
    }
    used = shared_after_compiling(
        triton_kernels._prefill, capability, types, constants, warps=tile.warps, stages=tile.stages
    )
    assert 0 < used <= limit


@pytest.mark.parametrize("dtype", POINTERS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("card", CARDS)
def test_decode_fits(card, width, dtype):
    from model.attention import triton_decode

    capability, limit = CARDS[card]
    types = dict.fromkeys(("q", "keys", "values"), POINTERS[dtype])
    types |= {"tables": "*i32", "lengths": "*i32", "partial": "*fp32", "weights": "*fp32", "scale": "fp32"}
    constants = {
        "GROUP": 4,
        "ROWS": 16,
        "HAS_WINDOW": True,
        "BLOCK_TOKENS": 64,
        "WIDTH": width,
        "TILE_KEYS": triton_decode.tile_keys(width, dtype, 64),
    }
    used = shared_after_compiling(
        triton_decode._decode_split, capability, types, constants, warps=4, stages=3
    )
    assert 0 < used <= limit


@pytest.mark.parametrize("width", WIDTHS)
def test_merge_compiles(width):
    from model.attention import triton_decode

    types = {"partial": "*fp32", "weights": "*fp32", "out": "*bf16"}
    constants = {"WIDTH": width, "CHUNK": triton_decode.MERGE_SPLITS}
    shared_after_compiling(triton_decode._merge_splits, 90, types, constants, warps=4, stages=3)
