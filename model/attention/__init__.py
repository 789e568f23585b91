"""Attention behind one interface, with five implementations that agree.

`reference` is the plain formula and the oracle of the tests, `blockwise` is the flash-attention algorithm
in plain torch (memory linear in the sequence length), `sdpa` is torch's fused kernel and the default,
`dense` is two matrix products, for training, and `triton` is flash attention on a GPU, loaded at first use.
The caller names the implementation; nothing is chosen behind its back. A cache that is read where it lies
says so by its mask (`paged`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from torch import Tensor

from model.attention import blockwise, dense, paged, reference, sdpa
from model.attention.mask import AttentionMask
from model.attention.paged import PagedMask

__all__ = ["IMPLEMENTATIONS", "AttentionMask", "Implementation", "PagedMask", "attend"]

Implementation = Literal["reference", "blockwise", "sdpa", "dense", "triton"]
# Those that run on every device, with every mask and width.
IMPLEMENTATIONS: tuple[Implementation, ...] = tuple(
    name for name in get_args(Implementation) if name != "triton"
)


def _attend_triton(q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask, *, scale: float) -> Tensor:
    """`triton_kernels.attend`; raises RuntimeError without the package."""
    try:
        from model.attention import triton_kernels
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "attention `triton` needs triton, which is not installed: pip install triton"
        ) from error
    return triton_kernels.attend(q, k, v, mask, scale=scale)


_ATTEND: Mapping[str, Callable[..., Tensor]] = {
    "reference": reference.attend,
    "blockwise": blockwise.attend,
    "sdpa": sdpa.attend,
    "dense": dense.attend,
    "triton": _attend_triton,
}


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: AttentionMask | PagedMask,
    *,
    scale: float,
    implementation: Implementation = "sdpa",
) -> Tensor:
    """Softmax attention with grouped queries: query head h reads key/value head h // (H / K).

    q [B, H, T, D], k and v [B, K, S, D], H divisible by K; returns [B, H, T, D] in q's dtype. A query that
    sees no key gets zeros. Raises ValueError when the shapes do not fit together. Under a PagedMask k and v
    are a cache's storage, which only the paged kernel reads: `implementation` is for everything else.
    """
    if isinstance(mask, PagedMask):
        return paged.attend(q, k, v, mask, scale=scale)
    _check_shapes(q, k, v)
    return _ATTEND[implementation](q, k, v, mask, scale=scale)


def _check_shapes(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Refuse shapes that broadcasting would silently accept."""
    same_batch = q.shape[0] == k.shape[0] and q.shape[3] == k.shape[3]
    if k.shape != v.shape or not same_batch or q.shape[1] % k.shape[1]:
        shapes = f"q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)}"
        raise ValueError(f"attention shapes do not fit together: {shapes}")
