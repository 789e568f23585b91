"""The attention formula written out (Vaswani et al. 2017, equation 1): slow, easy to trust."""

from __future__ import annotations

import torch
from torch import Tensor

from model.attention.mask import AttentionMask


def attend(q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float) -> Tensor:
    """Attention of q [B, H, T, D] over k, v [B, K, S, D], computed in float32; returns [B, H, T, D]."""
    group = q.shape[1] // k.shape[1]
    keys = k.float().repeat_interleave(group, dim=1)  # [B, H, S, D]
    values = v.float().repeat_interleave(group, dim=1)
    scores = q.float() @ keys.transpose(-1, -2) * scale  # [B, H, T, S]
    visible = mask.visible(
        mask.query_positions(q.shape[2], q.device), torch.arange(k.shape[2], device=q.device)
    )
    if visible is None:
        return (scores.softmax(dim=-1) @ values).to(q.dtype)
    # A query that sees nothing has a row of -inf, whose softmax is NaN: its weights are zero instead.
    weights = scores.masked_fill(~visible, -torch.inf).softmax(dim=-1).masked_fill(~visible, 0.0)
    return (weights @ values).to(q.dtype)
