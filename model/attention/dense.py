"""Attention as two matrix products in the compute type: the fastest one here for training on a CPU.

Query heads that share a key/value head become rows of one product. On two cores and a row of 940 tokens of
Gemma 3 270M a training step took 2.8 s against 3.4 s with torch's fused kernel, which is slow under a mask.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.attention.mask import AttentionMask


def attend(q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float) -> Tensor:
    """Attention of q [B, H, T, D] over k, v [B, K, S, D]; returns [B, H, T, D]."""
    batch, heads, rows, width = q.shape
    key_heads, keys = k.shape[1], k.shape[2]
    group = heads // key_heads
    grouped = (q * scale).reshape(batch, key_heads, group * rows, width)
    scores = (grouped @ k.transpose(-1, -2)).view(batch, key_heads, group, rows, keys)
    visible = mask.visible(mask.query_positions(rows, q.device), torch.arange(keys, device=q.device))
    if visible is not None:
        # The lowest finite number, not -inf: a query that sees nothing gets equal weights, not NaN.
        lowest = torch.finfo(scores.dtype).min
        hidden = torch.zeros_like(visible, dtype=scores.dtype).masked_fill(~visible, lowest)
        scores = scores + hidden[:, :, None]
    weights = scores.softmax(dim=-1)
    if visible is not None:
        blind = ~visible.any(dim=-1, keepdim=True)  # [B or 1, 1, T, 1]
        if bool(blind.any()):
            weights = weights.masked_fill(blind[:, :, None], 0.0)
    weights = weights.view(batch, key_heads, group * rows, keys)
    return (weights @ v).view(batch, heads, rows, width)
