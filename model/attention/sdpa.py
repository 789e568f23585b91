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
    visible = _visible(mask, rows, k.shape[2], q.device)
    if rows == 1:
        # One query row: the heads of a group become rows over their shared keys, which are then read once.
        grouped = q.view(batch, key_heads, heads // key_heads, width)
        out = scaled_dot_product_attention(grouped, k, v, attn_mask=visible, scale=scale)
        return out.reshape(batch, heads, 1, width)
    return scaled_dot_product_attention(
        q, _expand(k, heads), _expand(v, heads), attn_mask=visible, scale=scale
    )


def _visible(mask: AttentionMask, rows: int, keys: int, device: torch.device) -> Tensor | None:
    """The whole mask; one that is nothing but `allowed` is taken as it is, without a copy a layer."""
    others = (mask.window, mask.query_start, mask.key_lengths)
    if mask.allowed is not None and not mask.causal and all(rule is None for rule in others):
        return mask.allowed
    return mask.visible(mask.query_positions(rows, device), torch.arange(keys, device=device))


def _is_plain_causal(q: Tensor, k: Tensor, mask: AttentionMask) -> bool:
    """True when the mask is exactly the triangle that the kernel builds by itself, without a mask tensor."""
    square = q.shape[2] == k.shape[2]
    wide = mask.window is None or mask.window >= k.shape[2]
    others = (mask.query_start, mask.key_lengths, mask.allowed)
    return mask.causal and square and wide and all(rule is None for rule in others)


def _expand(kv: Tensor, heads: int) -> Tensor:
    """Key/value heads [B, K, S, D] repeated to [B, H, S, D]; with one head this is a view, not a copy."""
    batch, key_heads, keys, width = kv.shape
    group = heads // key_heads
    return kv[:, :, None].expand(batch, key_heads, group, keys, width).reshape(batch, heads, keys, width)
