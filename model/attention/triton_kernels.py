"""Flash attention as a Triton kernel (Dao 2023, FlashAttention-2), for prefill on a GPU.

One program owns a tile of query rows of one head and walks over the key tiles that any of its rows can see.
Only tiles on the rim of the visible region are masked: the walk is cut into a left rim (the window's edge),
a middle that every row sees whole, and a right rim (the diagonal, or the end of the keys). Scores stay in
base 2: `exp2` is the hardware's instruction, and the factor log2(e) is part of the scale.

Tiles are fixed by head width, not tuned at run time: the first answer is as fast as the second.
Checked on a CPU by Triton's interpreter, which is on when TRITON_INTERPRET=1 is set at the first import.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from model.attention.mask import AttentionMask

INTERPRETED = bool(triton.knobs.runtime.interpret)  # fixed at import, as the kernels below are
_EMULATED = tl.constexpr(INTERPRETED)  # the only kind of global that a kernel can read
LARGE_SHARED_BYTES = 200 * 1024  # H100 and H200 have 227 KB a program, consumer cards 99 KB
DTYPES = (torch.bfloat16, torch.float16, torch.float32)
NARROWEST, WIDEST = 16, 256  # head widths, powers of two


@dataclass(frozen=True)
class Tile:
    """What one program works on at a time, and with what."""

    rows: int  # query rows
    keys: int
    warps: int
    stages: int  # key tiles in flight


FEW_ROWS = 16  # the fewest that the matrix units take
LARGE_TILES = {64: Tile(128, 64, 4, 3), 128: Tile(128, 64, 8, 3), 256: Tile(128, 64, 8, 2)}
SMALL_TILES = {64: Tile(128, 64, 4, 3), 128: Tile(64, 64, 4, 2), 256: Tile(64, 32, 4, 2)}
FLOAT32_TILES = {64: Tile(32, 32, 4, 2), 128: Tile(32, 32, 4, 2), 256: Tile(16, 32, 4, 1)}


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`triton.jit` with a type, so that the bodies below are checked."""

    def compiled(function: Callable[..., Any]) -> Any:
        return triton.jit(function, **options)

    return compiled


def attend(q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float) -> Tensor:
    """Attention of q [B, H, T, D] over k, v [B, K, S, D], accumulated in float32; returns [B, H, T, D].

    D is a power of two from 16 to 256, the type bfloat16, float16 or float32. Raises ValueError for other
    shapes and types, for a mask with `allowed` and where gradients are wanted; RuntimeError off the GPU.
    """
    check_tensors(q, k, v, scale=scale)
    tile = choose_tile(q.shape[2], q.shape[3], q.dtype, device_limits(q.device)["max_shared_mem"])
    return attend_in_tiles(q, k, v, mask, scale=scale, tile=tile)


def choose_tile(rows: int, width: int, dtype: torch.dtype, shared: int) -> Tile:
    """The tile for `rows` queries of this width and type on a device with `shared` bytes a program."""
    tiles: Mapping[int, Tile] = LARGE_TILES if shared >= LARGE_SHARED_BYTES else SMALL_TILES
    if dtype == torch.float32:
        tiles = FLOAT32_TILES  # computed without the matrix units, whose tf32 rounds to 10 bits
    tile = tiles[max(width, min(tiles))]
    return Tile(FEW_ROWS, tile.keys, 4, tile.stages) if rows <= FEW_ROWS else tile


@cache
def device_limits(device: torch.device) -> Mapping[str, int]:
    """What Triton's driver says of a card (`max_shared_mem` bytes a program, `multiprocessor_count`); a CPU
    counts as one small multiprocessor."""
    if device.type != "cuda":
        return {"max_shared_mem": 0, "multiprocessor_count": 1}
    limits: Mapping[str, int] = triton.runtime.driver.active.utils.get_device_properties(device.index)
    return limits


def on_device_of(tensor: Tensor) -> AbstractContextManager[Any]:
    """Kernels start on the current device: make it the tensor's."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def check_tensors(q: Tensor, k: Tensor, v: Tensor, *, scale: float) -> None:
    """Refuse what the kernels would get wrong without a word."""
    width = q.shape[-1]
    if q.dtype not in DTYPES or not q.dtype == k.dtype == v.dtype:
        raise ValueError(f"triton attention takes one of {DTYPES}, not q {q.dtype}, k {k.dtype}, v {v.dtype}")
    if not NARROWEST <= width <= WIDEST or width & (width - 1):
        raise ValueError(f"triton attention takes head widths 16, 32, 64, 128 and 256, not {width}")
    if not scale > 0:
        raise ValueError(f"triton attention needs a positive scale, not {scale}")  # it is pulled out of a max
    if torch.is_grad_enabled() and any(each.requires_grad for each in (q, k, v)):
        raise ValueError("triton attention has no backward pass: train with `sdpa` or `dense`")
    if any(each.stride(-1) != 1 for each in (q, k, v)):
        raise ValueError("triton attention reads heads whole: the last stride must be 1")
    if q.device.type != "cuda" and not INTERPRETED:
        raise RuntimeError("triton attention needs a CUDA device, or TRITON_INTERPRET=1 to run on a CPU")


def attend_in_tiles(
    q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float, tile: Tile
) -> Tensor:
    """`attend` with a tile of the caller's choice."""
    if mask.allowed is not None:
        raise ValueError("triton attention knows no `allowed` masks: use `sdpa` for this one")
    batch, heads, rows, width = q.shape
    key_heads, keys = k.shape[1], k.shape[2]
    out = torch.empty((batch, rows, heads, width), dtype=q.dtype, device=q.device).transpose(1, 2)
    if out.numel() == 0:
        return out
    # Programs start in the order of the first axis: all heads of the last rows, which see the most, go first.
    grid = (batch * heads, triton.cdiv(rows, tile.rows))
    with on_device_of(q):
        _prefill[grid](
            q,
            k,
            v,
            out,
            q if mask.query_start is None else mask.query_start.contiguous(),
            q if mask.key_lengths is None else mask.key_lengths.contiguous(),
            *(stride for each in (q, k, v, out) for stride in each.stride()[:3]),
            heads,
            heads // key_heads,
            rows,
            keys,
            0 if mask.window is None else mask.window,
            scale * math.log2(math.e),
            CAUSAL=mask.causal,
            HAS_WINDOW=mask.window is not None,
            HAS_STARTS=mask.query_start is not None,
            HAS_LENGTHS=mask.key_lengths is not None,
            WIDTH=width,
            TILE_ROWS=tile.rows,
            TILE_KEYS=tile.keys,
            num_warps=tile.warps,
            num_stages=tile.stages,
            enable_fp_fusion=True,
        )
    return out


@kernel()
def product(left: tl.tensor, right: tl.tensor, start: tl.tensor) -> tl.tensor:
    """start + left @ right, multiplied exactly and added in float32."""
    if _EMULATED:
        # The interpreter (3.9) multiplies the bits of bfloat16 numbers as integers.
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, start, input_precision="ieee")


@kernel()
def rounded(x: tl.tensor, dtype: tl.constexpr) -> tl.tensor:
    """Float32 numbers in another type, rounded to nearest even."""
    if _EMULATED and dtype == tl.bfloat16:
        # The interpreter (3.9) truncates; so round first, on the bits.
        bits = x.to(tl.int32, bitcast=True)
        x = ((bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000).to(tl.float32, bitcast=True)
    return x.to(dtype)


@kernel()
def fold_tile(
    scores: tl.tensor,
    values: tl.tensor,
    best: tl.tensor,
    total: tl.tensor,
    out: tl.tensor,
    scale: tl.tensor,
    MASKED: tl.constexpr,
) -> tl.tensor:
    """One step of the online softmax: scores [R, N] (hidden ones -inf) and values [N, D] go into `best` [R],
    `total` [R] and `out` [R, D]; `scale` takes scores to base 2."""
    higher = tl.maximum(best, tl.max(scores, 1) * scale)
    anchor = higher
    if MASKED:
        # A row that has seen nothing has -inf here; subtracting 0 instead keeps exp2() at 0, not NaN.
        anchor = tl.where(higher == float("-inf"), 0.0, higher)
    weights = tl.exp2(scores * scale - anchor[:, None])
    rescale = tl.exp2(best - anchor)
    total = total * rescale + tl.sum(weights, 1)
    out = product(rounded(weights, values.dtype), values, out * rescale[:, None])
    return higher, total, out


@kernel()
def _walk(
    begin: tl.tensor,
    end: tl.tensor,
    q: tl.tensor,
    k: tl.tensor,
    v: tl.tensor,
    k_stride: tl.tensor,
    v_stride: tl.tensor,
    positions: tl.tensor,
    last_key: tl.tensor,
    window: tl.tensor,
    scale: tl.tensor,
    best: tl.tensor,
    total: tl.tensor,
    out: tl.tensor,
    MASKED: tl.constexpr,
    CAUSAL: tl.constexpr,
    HAS_WINDOW: tl.constexpr,
    WIDTH: tl.constexpr,
    TILE_KEYS: tl.constexpr,
) -> tl.tensor:
    """Fold the key tiles from `begin` to `end` into the running softmax of q [R, D] at `positions` [R]."""
    columns = tl.arange(0, WIDTH)[None, :]
    none = tl.zeros([q.shape[0], TILE_KEYS], tl.float32)
    for start in range(begin, end, TILE_KEYS):
        index = start + tl.arange(0, TILE_KEYS)
        rows = index.to(tl.int64)[:, None]
        if MASKED:
            exists = index[:, None] < last_key
            key = tl.load(k + rows * k_stride + columns, mask=exists, other=0.0)
            value = tl.load(v + rows * v_stride + columns, mask=exists, other=0.0)
        else:
            key = tl.load(k + rows * k_stride + columns)
            value = tl.load(v + rows * v_stride + columns)
        scores = product(q, tl.trans(key), none)
        if MASKED:
            visible = index[None, :] < last_key
            if CAUSAL:
                visible = visible & (index[None, :] <= positions[:, None])
            if HAS_WINDOW:
                visible = visible & (positions[:, None] - index[None, :] < window)
            scores = tl.where(visible, scores, float("-inf"))
        best, total, out = fold_tile(scores, value, best, total, out, scale, MASKED)
    return best, total, out


@kernel(do_not_specialize=("rows", "keys", "window"))
def _prefill(
    q: tl.tensor,
    k: tl.tensor,
    v: tl.tensor,
    out: tl.tensor,
    query_starts: tl.tensor,
    key_lengths: tl.tensor,
    q_batch: tl.tensor,
    q_head: tl.tensor,
    q_row: tl.tensor,
    k_batch: tl.tensor,
    k_head: tl.tensor,
    k_row: tl.tensor,
    v_batch: tl.tensor,
    v_head: tl.tensor,
    v_row: tl.tensor,
    out_batch: tl.tensor,
    out_head: tl.tensor,
    out_row: tl.tensor,
    heads: tl.tensor,
    group: tl.tensor,
    rows: tl.tensor,
    keys: tl.tensor,
    window: tl.tensor,
    scale: tl.tensor,
    CAUSAL: tl.constexpr,
    HAS_WINDOW: tl.constexpr,
    HAS_STARTS: tl.constexpr,
    HAS_LENGTHS: tl.constexpr,
    WIDTH: tl.constexpr,
    TILE_ROWS: tl.constexpr,
    TILE_KEYS: tl.constexpr,
) -> None:
    """Rows [tile, tile + TILE_ROWS) of one head of one sequence; `scale` takes scores to base 2."""
    batch = (tl.program_id(0) // heads).to(tl.int64)
    head = (tl.program_id(0) % heads).to(tl.int64)
    tile = (tl.num_programs(1) - 1 - tl.program_id(1)) * TILE_ROWS
    row = tile + tl.arange(0, TILE_ROWS)
    offset = 0
    if HAS_STARTS:
        offset = tl.load(query_starts + batch).to(tl.int32)
    positions = offset + row
    first, last = offset + tile, offset + tl.minimum(tile + TILE_ROWS, rows) - 1  # positions of real rows

    end = keys
    if HAS_LENGTHS:
        end = tl.minimum(end, tl.load(key_lengths + batch).to(tl.int32))
    whole_end = end  # no key before it is hidden from any row by causality
    if CAUSAL:
        end = tl.maximum(tl.minimum(end, last + 1), 0)
        whole_end = tl.maximum(tl.minimum(end, first + 1), 0)
    begin = 0
    left_end = 0
    if HAS_WINDOW:
        begin = tl.maximum(first - window + 1, 0) // TILE_KEYS * TILE_KEYS
        whole_begin = tl.maximum(last - window + 1, 0)  # nor any from it on by the window
        left_end = tl.minimum((whole_begin + TILE_KEYS - 1) // TILE_KEYS * TILE_KEYS, end)
    middle_end = tl.maximum(left_end, whole_end // TILE_KEYS * TILE_KEYS)

    columns = tl.arange(0, WIDTH)[None, :]
    real = row[:, None] < rows
    steps = row.to(tl.int64)[:, None]
    queries = tl.load(q + batch * q_batch + head * q_head + steps * q_row + columns, mask=real, other=0.0)
    k += batch * k_batch + head // group * k_head
    v += batch * v_batch + head // group * v_head
    best = tl.full([TILE_ROWS], float("-inf"), tl.float32)
    total = tl.zeros([TILE_ROWS], tl.float32)
    seen = tl.zeros([TILE_ROWS, WIDTH], tl.float32)
    if HAS_WINDOW:
        best, total, seen = _walk(
            begin, left_end, queries, k, v, k_row, v_row, positions, end, window, scale, best, total, seen,
            True, CAUSAL, HAS_WINDOW, WIDTH, TILE_KEYS,
        )  # fmt: skip
    best, total, seen = _walk(
        left_end, middle_end, queries, k, v, k_row, v_row, positions, end, window, scale, best, total, seen,
        False, CAUSAL, HAS_WINDOW, WIDTH, TILE_KEYS,
    )  # fmt: skip
    best, total, seen = _walk(
        middle_end, end, queries, k, v, k_row, v_row, positions, end, window, scale, best, total, seen,
        True, CAUSAL, HAS_WINDOW, WIDTH, TILE_KEYS,
    )  # fmt: skip
    seen = seen / tl.where(total == 0.0, 1.0, total)[:, None]
    target = out + batch * out_batch + head * out_head + steps * out_row + columns
    tl.store(target, rounded(seen, out.dtype.element_ty), mask=real)
