"""Attention of one new token a sequence over a paged cache, as Triton kernels: flash-decoding (Dao et al.
2023) over blocks (PagedAttention, Kwon et al. 2023).

A sequence's keys are split among programs, since one row alone would leave most of the card idle. Every
split leaves its normalised output and the base-2 log-sum-exp of its scores; a second kernel merges them.
The query heads of a group are the rows of one tile over their shared keys, which are read once.
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from model.attention.triton_kernels import (
    FEW_ROWS,
    check_tensors,
    device_limits,
    fold_tile,
    kernel,
    on_device_of,
    product,
    rounded,
)

MERGE_SPLITS = 16  # splits that the merging kernel holds at a time
MOST_SPLITS = 256
FEWEST_SPLIT_TOKENS = 128  # fewer are not worth a program
PROGRAMS_PER_MULTIPROCESSOR = 2
WIDE = 256  # heads this wide leave room for other tiles in flight only by halves of a block


def decode_paged(
    q: Tensor,
    keys: Tensor,
    values: Tensor,
    tables: Tensor,
    lengths: Tensor,
    *,
    scale: float,
    window: int | None = None,
    splits: int | None = None,
) -> Tensor:
    """Attention of the newest token of every sequence over its past, itself included; returns [B, H, D].

    q [B, H, D]; keys and values [blocks, block tokens, K, D], one layer of the cache's storage; tables
    int32 [B, most blocks], of which the blocks that hold `lengths` int32 [B] tokens are read, in any order
    and shared at will. A sequence of length 0 gets zeros. A window counts the newest token in. `splits` is
    chosen by the device when None. Raises ValueError for shapes and types the kernel does not take,
    RuntimeError off the GPU. Lengths beyond the table and block numbers beyond the storage are not checked.
    """
    _check(q, keys, values, tables, lengths, window, scale)
    batch, heads, width = q.shape
    block_tokens, key_heads = keys.shape[1:3]
    group = heads // key_heads
    tile = tile_keys(width, q.dtype, block_tokens)
    most = tables.shape[1] * block_tokens
    reach = most if window is None else min(most, window + tile)
    if splits is None:
        multiprocessors = device_limits(q.device)["multiprocessor_count"]
        splits = choose_splits(batch * key_heads, reach, multiprocessors)
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    partial = torch.empty((batch, heads, splits, width), dtype=torch.float32, device=q.device)
    weights = torch.empty((batch, heads, splits), dtype=torch.float32, device=q.device)
    if out.numel() == 0:
        return out
    with on_device_of(q):
        _decode_split[(splits, key_heads, batch)](
            q,
            keys,
            values,
            tables,
            lengths,
            partial,
            weights,
            *q.stride()[:2],
            *keys.stride()[:3],
            *values.stride()[:3],
            tables.stride(0),
            0 if window is None else window,
            scale * math.log2(math.e),
            GROUP=group,
            ROWS=max(FEW_ROWS, triton.next_power_of_2(group)),
            HAS_WINDOW=window is not None,
            BLOCK_TOKENS=block_tokens,
            WIDTH=width,
            TILE_KEYS=tile,
            num_warps=4,
            num_stages=3,
            enable_fp_fusion=True,
        )
        _merge_splits[(batch * heads,)](
            partial,
            weights,
            out,
            splits,
            WIDTH=width,
            CHUNK=MERGE_SPLITS,
            num_warps=4,
            enable_fp_fusion=True,
        )
    return out


def tile_keys(width: int, dtype: torch.dtype, block_tokens: int) -> int:
    """Keys that a program holds at a time: a block, or half of one where that is many bytes."""
    return min(block_tokens, 32 if width >= WIDE or dtype == torch.float32 else 64)


def choose_splits(rows: int, tokens: int, multiprocessors: int) -> int:
    """Programs that a row of work over at most `tokens` keys is split into, so that `rows` fill the card."""
    wanted = -(-PROGRAMS_PER_MULTIPROCESSOR * multiprocessors // max(1, rows))
    return max(1, min(wanted, tokens // FEWEST_SPLIT_TOKENS, MOST_SPLITS))


def _check(
    q: Tensor,
    keys: Tensor,
    values: Tensor,
    tables: Tensor,
    lengths: Tensor,
    window: int | None,
    scale: float,
) -> None:
    shapes = f"q {tuple(q.shape)}, keys {tuple(keys.shape)}, values {tuple(values.shape)}"
    if q.dim() != 3 or keys.dim() != 4 or keys.shape != values.shape or q.shape[2] != keys.shape[3]:
        raise ValueError(f"paged attention shapes do not fit together: {shapes}")
    if q.shape[1] % keys.shape[2] or tables.shape[:1] != q.shape[:1] or lengths.shape != q.shape[:1]:
        raise ValueError(
            f"paged attention shapes do not fit together: {shapes}, tables {tuple(tables.shape)}, "
            f"lengths {tuple(lengths.shape)}"
        )
    if tables.dtype != torch.int32 or lengths.dtype != torch.int32:
        raise ValueError(f"tables and lengths must be int32, not {tables.dtype} and {lengths.dtype}")
    if tables.stride(1) != 1 or lengths.stride(0) != 1:
        raise ValueError("rows of the block tables and the lengths must be contiguous")
    if keys.shape[1] & (keys.shape[1] - 1) or keys.shape[1] < FEW_ROWS:
        raise ValueError(f"a block must hold a power of two of at least 16 tokens, not {keys.shape[1]}")
    if window is not None and window < 1:
        raise ValueError(f"the window counts the newest token in: at least 1, not {window}")
    check_tensors(q, keys, values, scale=scale)


@kernel()
def _walk_blocks(
    begin: tl.tensor,
    end: tl.tensor,
    q: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    table: tl.tensor,
    k_block: tl.tensor,
    k_token: tl.tensor,
    v_block: tl.tensor,
    v_token: tl.tensor,
    first: tl.tensor,
    length: tl.tensor,
    scale: tl.tensor,
    best: tl.tensor,
    total: tl.tensor,
    out: tl.tensor,
    MASKED: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    TILE_KEYS: tl.constexpr,
) -> tl.tensor:
    """Fold tokens from `begin` to `end` into the running softmax; those in [first, length) are visible."""
    columns = tl.arange(0, WIDTH)[None, :]
    none = tl.zeros([q.shape[0], TILE_KEYS], tl.float32)
    for start in range(begin, end, TILE_KEYS):
        block = tl.load(table + start // BLOCK_TOKENS).to(tl.int64)
        token = (start % BLOCK_TOKENS + tl.arange(0, TILE_KEYS))[:, None]
        k_tile = keys + block * k_block + token * k_token + columns
        v_tile = values + block * v_block + token * v_token + columns
        index = start + tl.arange(0, TILE_KEYS)
        if MASKED:
            visible = (index >= first) & (index < length)
            key = tl.load(k_tile, mask=visible[:, None], other=0.0)
            value = tl.load(v_tile, mask=visible[:, None], other=0.0)
            scores = product(q, tl.trans(key), none)
            scores = tl.where(visible[None, :], scores, float("-inf"))
        else:
            key = tl.load(k_tile)
            value = tl.load(v_tile)
            scores = product(q, tl.trans(key), none)
        best, total, out = fold_tile(scores, value, best, total, out, scale, MASKED)
    return best, total, out


@kernel(do_not_specialize=("window",))
def _decode_split(
    q: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    tables: tl.tensor,
    lengths: tl.tensor,
    partial: tl.tensor,
    weights: tl.tensor,
    q_batch: tl.tensor,
    q_head: tl.tensor,
    k_block: tl.tensor,
    k_token: tl.tensor,
    k_head: tl.tensor,
    v_block: tl.tensor,
    v_token: tl.tensor,
    v_head: tl.tensor,
    table_row: tl.tensor,
    window: tl.tensor,
    scale: tl.tensor,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
    HAS_WINDOW: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    WIDTH: tl.constexpr,
    TILE_KEYS: tl.constexpr,
) -> None:
    """One split of one sequence, for the query heads that share one key/value head."""
    split, splits = tl.program_id(0), tl.num_programs(0)
    key_head, batch = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    length = tl.load(lengths + batch)
    first = 0
    if HAS_WINDOW:
        first = tl.maximum(length - window, 0)
    first_tile = first // TILE_KEYS
    tiles = (length + TILE_KEYS - 1) // TILE_KEYS - first_tile
    share = (tiles + splits - 1) // splits
    begin = (first_tile + split * share) * TILE_KEYS
    end = tl.minimum(begin + share * TILE_KEYS, length)
    left_end = begin
    if HAS_WINDOW:
        whole_begin = (first + TILE_KEYS - 1) // TILE_KEYS * TILE_KEYS
        left_end = tl.minimum(tl.maximum(whole_begin, begin), end)
    middle_end = tl.maximum(left_end, tl.minimum(length // TILE_KEYS * TILE_KEYS, end))

    row = tl.arange(0, ROWS)
    head = key_head * GROUP + row
    columns = tl.arange(0, WIDTH)[None, :]
    real = row[:, None] < GROUP
    queries = tl.load(q + batch * q_batch + head[:, None] * q_head + columns, mask=real, other=0.0)
    keys += key_head * k_head
    values += key_head * v_head
    table = tables + batch * table_row
    best = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, WIDTH], tl.float32)
    if HAS_WINDOW:
        best, total, out = _walk_blocks(
            begin, left_end, queries, keys, values, table, k_block, k_token, v_block, v_token, first, length,
            scale, best, total, out, True, BLOCK_TOKENS, WIDTH, TILE_KEYS,
        )  # fmt: skip
    best, total, out = _walk_blocks(
        left_end, middle_end, queries, keys, values, table, k_block, k_token, v_block, v_token, first, length,
        scale, best, total, out, False, BLOCK_TOKENS, WIDTH, TILE_KEYS,
    )  # fmt: skip
    best, total, out = _walk_blocks(
        middle_end, end, queries, keys, values, table, k_block, k_token, v_block, v_token, first, length,
        scale, best, total, out, True, BLOCK_TOKENS, WIDTH, TILE_KEYS,
    )  # fmt: skip
    # A split without a key has best = -inf and so leaves a weight of -inf and an output of zeros.
    filled = tl.where(total == 0.0, 1.0, total)
    heads = tl.num_programs(1) * GROUP
    slot = (batch * heads + head) * splits + split
    tl.store(weights + slot, best + tl.log2(filled), mask=row < GROUP)
    tl.store(partial + slot[:, None] * WIDTH + columns, out / filled[:, None], mask=real)


@kernel(do_not_specialize=("splits",))
def _merge_splits(
    partial: tl.tensor,
    weights: tl.tensor,
    out: tl.tensor,
    splits: tl.tensor,
    WIDTH: tl.constexpr,
    CHUNK: tl.constexpr,
) -> None:
    """The splits' outputs, each weighted by the sum of exponentials behind it; one program a head."""
    head = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, WIDTH)
    best = float("-inf")
    total = 0.0
    merged = tl.zeros([WIDTH], tl.float32)
    for start in range(0, splits, CHUNK):
        split = start + tl.arange(0, CHUNK)
        real = split < splits
        slot = head * splits + split
        weight = tl.load(weights + slot, mask=real, other=float("-inf"))
        part = tl.load(partial + slot[:, None] * WIDTH + columns[None, :], mask=real[:, None], other=0.0)
        higher = tl.maximum(best, tl.max(weight, 0))
        anchor = tl.where(higher == float("-inf"), 0.0, higher)
        rescale = tl.exp2(best - anchor)
        share = tl.exp2(weight - anchor)
        total = total * rescale + tl.sum(share, 0)
        merged = merged * rescale + tl.sum(part * share[:, None], 0)
        best = higher
    merged = merged / tl.where(total == 0.0, 1.0, total)
    tl.store(out + head * WIDTH + columns, rounded(merged, out.dtype.element_ty))
