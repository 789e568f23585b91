"""Attention over blocks of a paged cache where they lie, by the kernel of `triton_decode`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PagedMask:
    """What N = B * T new tokens see of a layer's storage: each its own past, the token itself included."""

    tables: Tensor  # int32 [N, blocks]: where each token's past lies
    lengths: Tensor  # int32 [N]: tokens of it; 0 for padding, which gets zeros
    window: int | None = None  # tokens that are looked back over, the new one included


def attend(q: Tensor, keys: Tensor, values: Tensor, mask: PagedMask, *, scale: float) -> Tensor:
    """Attention of q [B, H, T, D] over keys and values [blocks, block tokens, K, D]; returns [B, H, T, D].

    Raises RuntimeError without triton, and what `triton_decode.decode_paged` raises.
    """
    try:
        from model.attention.triton_decode import decode_paged
    except ModuleNotFoundError as error:
        raise RuntimeError("paged attention needs triton, which is not installed") from error
    batch, _, rows, _ = q.shape
    tokens = q.transpose(1, 2).flatten(0, 1)  # [N, H, D]
    seen: Tensor = decode_paged(
        tokens, keys, values, mask.tables, mask.lengths, scale=scale, window=mask.window
    )
    return seen.view(batch, rows, *seen.shape[1:]).transpose(1, 2)
