"""Attention through the fused `scaled_dot_product_attention` of torch, with the cheapest equal mask."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from model.attention.mask import AttentionMask


def attend(q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float) -> Tensor:
    """Attention of q [B, H, T, D] over k, v [B, K, S, D]; returns [B, H, T, D]."""
    batch, heads, rows, width = q.shape
    key_heads = k.shape[1]
    if _is_plain_causal(q, k, mask):
        return scaled_dot_product_attention(
            q, _expand(k, heads), _expand(v, heads), is_causal=True, scale=scale
        )
    visible = mask.visible(mask.query_positions(rows, q.device), torch.arange(k.shape[2], device=q.device))
    if rows == 1:
        # One query row: the heads of a group become rows over their shared keys, which are then read once.
        grouped = q.view(batch, key_heads, heads // key_heads, width)
        out = scaled_dot_product_attention(grouped, k, v, attn_mask=visible, scale=scale)
        return out.reshape(batch, heads, 1, width)
    return scaled_dot_product_attention(
        q, _expand(k, heads), _expand(v, heads), attn_mask=visible, scale=scale
    )


def _is_plain_causal(q: Tensor, k: Tensor, mask: AttentionMask) -> bool:
    """True when the mask is exactly the triangle that the kernel builds by itself, without a mask tensor."""
    square = q.shape[2] == k.shape[2]
    wide = mask.window is None or mask.window >= k.shape[2]
    return mask.causal and square and wide and mask.query_start is None and mask.key_lengths is None


def _expand(kv: Tensor, heads: int) -> Tensor:
    """Key/value heads [B, K, S, D] repeated to [B, H, S, D]; with one head this is a view, not a copy."""
    batch, key_heads, keys, width = kv.shape
    group = heads // key_heads
    return kv[:, :, None].expand(batch, key_heads, group, keys, width).reshape(batch, heads, keys, width)
