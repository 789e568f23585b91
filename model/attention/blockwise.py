"""Flash attention in plain torch (Dao et al. 2022; online softmax: Milakov and Gimelshein 2018).

Queries and keys are cut into tiles. Each query tile walks over its key tiles with an online softmax: a
running maximum, a running sum and an output that is rescaled whenever the maximum grows. Only one tile of
scores exists at a time, so memory is linear in the sequence length, and hidden tiles are never computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from model.attention.mask import AttentionMask

TILE_ROWS = 128  # query rows in a tile
TILE_KEYS = 128  # keys in a tile


@dataclass(frozen=True)
class TileCounts:
    """How much of the score matrix was visited."""

    computed: int  # tiles whose scores were computed
    skipped: int  # tiles that the mask hides entirely


def attend(q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float) -> Tensor:
    """Attention of q [B, H, T, D] over k, v [B, K, S, D], accumulated in float32; returns [B, H, T, D]."""
    return attend_counting(q, k, v, mask, scale=scale)[0]


def attend_counting(
    q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float
) -> tuple[Tensor, TileCounts]:
    """`attend`, and the tiles computed and skipped; a tile covers the whole batch and all heads."""
    batch, heads, rows, width = q.shape
    key_heads, keys = k.shape[1], k.shape[2]
    grouped = q.view(batch, key_heads, heads // key_heads, rows, width)
    out = torch.empty_like(grouped)
    positions = mask.query_positions(rows, q.device)  # [B or 1, T]
    computed = 0
    for row in range(0, rows, TILE_ROWS):
        here = slice(row, min(row + TILE_ROWS, rows))
        first, last = _visible_range(positions[:, here], keys, mask)
        tiles = range(first // TILE_KEYS * TILE_KEYS, last, TILE_KEYS)
        out[..., here, :] = _query_tile(grouped[..., here, :], k, v, mask, positions[:, here], tiles, scale)
        computed += len(tiles)
    total = _tile_count(rows, TILE_ROWS) * _tile_count(keys, TILE_KEYS)
    return out.flatten(1, 2), TileCounts(computed, total - computed)


def _tile_count(length: int, tile: int) -> int:
    return (length + tile - 1) // tile


def _visible_range(positions: Tensor, keys: int, mask: AttentionMask) -> tuple[int, int]:
    """First and one-past-last key index that any query at these positions [B, rows] can see."""
    first, last = 0, keys
    if mask.window is not None:
        first = max(0, int(positions.min()) - mask.window + 1)
    if mask.causal:
        last = min(last, int(positions.max()) + 1)
    if mask.key_lengths is not None:
        last = min(last, int(mask.key_lengths.max()))
    return first, last


def _query_tile(
    q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, positions: Tensor, tiles: range, scale: float
) -> Tensor:
    """Output of one query tile q [B, K, G, rows, D] over the key tiles that start at `tiles`."""
    q = q.float() * scale
    best = torch.full_like(q[..., :1], -torch.inf)  # running maximum of the scores
    total = torch.zeros_like(best)  # running sum of exp(score - best)
    out = torch.zeros_like(q)
    for start in tiles:
        end = min(start + TILE_KEYS, k.shape[2])
        scores = q @ k[:, :, None, start:end].float().transpose(-1, -2)  # [B, K, G, rows, keys]
        visible = mask.visible(positions, torch.arange(start, end, device=q.device))
        if visible is not None:
            scores = scores.masked_fill(~visible[:, :, None], -torch.inf)
        higher = torch.maximum(best, scores.amax(dim=-1, keepdim=True))
        # While a query has seen nothing its maximum is -inf; subtracting 0 instead keeps exp() at 0, not NaN.
        anchor = higher.masked_fill(higher == -torch.inf, 0.0)
        rescale = (best - anchor).exp()
        weights = (scores - anchor).exp()
        total = total * rescale + weights.sum(dim=-1, keepdim=True)
        out = out * rescale + weights @ v[:, :, None, start:end].float()
        best = higher
    return out / total.masked_fill(total == 0, 1.0)
