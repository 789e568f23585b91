"""Low-rank adapters (LoRA, Hu et al., 2021): trained beside frozen weights, merged into them for use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.decoder import Decoder
from model.weights import WeightsError


class LoRALinear(nn.Module):
    """y = W x + (alpha / rank) B A x with W frozen; B starts at zero, so training starts from W itself."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, dropout: float = 0.0) -> None:
        """`dropout` is the share of the input that B A is not shown in training."""
        super().__init__()
        self.dropout = dropout
        self.base = base
        self.scale = alpha / rank
        self.a = nn.Parameter(torch.empty(rank, base.in_features, device=base.weight.device))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """x [..., in] to [..., out]; the fp32 factors are rounded to x's type for the products."""
        shown = functional.dropout(x, self.dropout, self.training)
        low = functional.linear(shown, self.a.to(x.dtype))
        change = functional.linear(low, (self.b * self.scale).to(x.dtype))
        return cast(Tensor, self.base(x) + change)


def add_lora(decoder: Decoder, *, rank: int, alpha: float, dropout: float = 0.0) -> None:
    """Put adapters on every linear layer of the blocks and freeze everything else."""
    decoder.requires_grad_(False)
    for _, parent, name, linear in _linears(decoder):
        setattr(parent, name, LoRALinear(linear, rank, alpha, dropout))


def lora_tensors(decoder: Decoder) -> dict[str, Tensor]:
    """The adapters' factors, named `blocks.0.attention.qkv.a` and `.b`."""
    return {
        f"{path}.{part}": getattr(module, part)
        for path, module in decoder.named_modules()
        if isinstance(module, LoRALinear)
        for part in ("a", "b")
    }


@torch.no_grad()
def merge_lora(decoder: Decoder, tensors: Mapping[str, Tensor], *, scale: float) -> None:
    """Add scale * B A to the plain weights, in fp32 before rounding; raises WeightsError unless all fit."""
    left = dict(tensors)
    for path, _, _, linear in _linears(decoder):
        a, b = left.pop(f"{path}.a", None), left.pop(f"{path}.b", None)
        if a is None or b is None:
            raise WeightsError(f"the adapter has no factors for {path}")
        if b.shape[:1] + a.shape[1:] != linear.weight.shape or b.shape[1] != a.shape[0]:
            raise WeightsError(f"the adapter's factors for {path} do not fit {tuple(linear.weight.shape)}")
        change = scale * (b.float() @ a.float())
        linear.weight.copy_(linear.weight.float() + change.to(linear.weight.device))
    if left:
        raise WeightsError(f"the adapter has factors for unknown layers: {', '.join(sorted(left)[:4])}")


def _linears(decoder: Decoder) -> Iterator[tuple[str, nn.Module, str, nn.Linear]]:
    """Path, parent, name and layer of every linear layer in the blocks, in a fixed order."""
    for path, module in list(decoder.blocks.named_modules(prefix="blocks")):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                yield f"{path}.{name}", module, name, child
