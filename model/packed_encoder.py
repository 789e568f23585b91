"""The encoder for inference: the same network as `model.encoder`, over packed tokens.

Training keeps the plain, padded `Encoder`; everything that answers goes through this one. No step here
touches padding: products, norms and GELU run on [N, C], and attention runs on each text alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import AttentionMask, attend
from model.device import has_native_bfloat16
from model.encoder import Block, Encoder, scaled_queries
from model.native.encoder import NativeEncoder
from model.packed_tokens import PackedTokens, Stack

BATCH_TOKENS = 2048  # of a forward pass: activations stay in cache, calls are amortised
_STACK_TOKENS = 512  # texts of equal length attend together up to here: their scores stay in cache

Mix = Callable[[Tensor, PackedTokens, int], Tensor]  # queries, keys and values [N, 3C] -> mixed values [N, C]


class Product:
    """A linear layer of fixed weights, on request with the GELU behind it.

    On a CPU oneDNN lays the weight out once instead of at every call and applies GELU while the result is
    in registers: 10 to 15% less than `F.linear` and `F.gelu` on a batch of 2,048 tokens.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._bias = bias
        self._onednn = _has_onednn(weight)
        self._weight = _laid_out(weight) if self._onednn else weight

    def __call__(self, x: Tensor, activation: Literal["none", "gelu"] = "none") -> Tensor:
        """[N, in] -> [N, out]."""
        if self._onednn:  # the operator that torch's own compiler emits for a frozen linear layer
            out: Tensor = torch.ops.mkldnn._linear_pointwise(
                x, self._weight, self._bias, activation, [], "none"
            )
            return out
        out = F.linear(x, self._weight, self._bias)
        return F.gelu(out) if activation == "gelu" else out


def _has_onednn(weight: Tensor) -> bool:
    """Whether oneDNN computes in this weight's type here."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return weight.dtype == torch.float32 or has_native_bfloat16(weight.device)


def _laid_out(weight: Tensor) -> Tensor:
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, BATCH_TOKENS)
    return laid_out


class PackedBlock:
    """One block's weights; queries are scaled by D ** -0.5 in theirs, which saves a pass over the scores."""

    def __init__(self, block: Block, device: torch.device, dtype: torch.dtype) -> None:
        def place(tensor: Tensor) -> Tensor:
            return tensor.detach().to(device=device, dtype=dtype)

        self._heads = block.heads
        self._qkv = Product(*(place(scaled_queries(end, block.heads)) for end in _ends(block.qkv)))
        self._attention_out = Product(*map(place, _ends(block.attention_out)))
        self._mlp_in = Product(*map(place, _ends(block.mlp_in)))
        self._mlp_out = Product(*map(place, _ends(block.mlp_out)))
        self._attention_norm = Norm(block.attention_norm, device, dtype)
        self._mlp_norm = Norm(block.mlp_norm, device, dtype)

    def __call__(self, x: Tensor, tokens: PackedTokens, mix: Mix) -> Tensor:
        """[N, C] -> [N, C]."""
        x = self._attention_norm(x + self._attention_out(mix(self._qkv(x), tokens, self._heads)))
        return self._mlp_norm(x + self._mlp_out(self._mlp_in(x, "gelu")))


def _ends(linear: nn.Linear) -> tuple[Tensor, Tensor]:
    return linear.weight, linear.bias


class Norm:
    """LayerNorm of fixed weights."""

    def __init__(self, norm: nn.LayerNorm, device: torch.device, dtype: torch.dtype) -> None:
        self._weight, self._bias = (
            end.detach().to(device=device, dtype=dtype) for end in (norm.weight, norm.bias)
        )
        self._epsilon = norm.eps

    def __call__(self, x: Tensor) -> Tensor:
        """[N, C] -> [N, C]; statistics are taken in fp32 whatever the type."""
        return F.layer_norm(x, self._weight.shape, self._weight, self._bias, self._epsilon)


class PackedEncoder:
    """The weights of an `Encoder`, copied to a device and type and laid out for it."""

    def __init__(
        self,
        encoder: Encoder,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        native: NativeEncoder | None = None,
    ) -> None:
        """`native` holds the same blocks and computes in their place, on the CPU."""
        self.config = encoder.config
        self._native = native
        self._words, self._positions, self._types = (
            table.weight.detach().to(device=device, dtype=dtype)
            for table in (encoder.words, encoder.positions, encoder.types)
        )
        self._norm = Norm(encoder.norm, device, dtype)
        self._blocks = (
            [] if native else [PackedBlock(cast(Block, block), device, dtype) for block in encoder.blocks]
        )
        self._mix = choose_mix(device, dtype)

    def __call__(self, tokens: PackedTokens) -> Tensor:
        """Token vectors [N, C]; raises ValueError when a text exceeds the learned positions."""
        return self.run(self.embed(tokens), tokens)

    def embed(self, tokens: PackedTokens) -> Tensor:
        """What the first block reads: [N, C]; raises ValueError as a call does."""
        longest = max(tokens.sizes, default=0)
        if longest > self.config.max_positions:
            raise ValueError(f"{longest} tokens exceed the encoder's {self.config.max_positions} positions")
        x = F.embedding(tokens.token_ids, self._words)
        x = x + F.embedding(tokens.positions, self._positions) + F.embedding(tokens.token_types, self._types)
        return self._norm(x)

    def run(self, x: Tensor, tokens: PackedTokens, blocks: slice = slice(None)) -> Tensor:
        """[N, C] through some of the blocks, by default all: [N, C]."""
        if self._native is not None:
            return self._native.run(x, tokens.sizes, blocks)
        for block in self._blocks[blocks]:
            x = block(x, tokens, self._mix)
        return x


def choose_mix(device: torch.device, dtype: torch.dtype) -> Mix:
    """How texts attend, by measurement: on a GPU many small calls cost more than padding; on a CPU texts
    attend apart, in bf16 as two products (a third less than torch's fused kernel), in fp32 by the kernel."""
    if device.type != "cpu":
        return mix_padded
    return mix_by_products if dtype == torch.bfloat16 else mix_by_kernel


def mix_by_products(qkv: Tensor, tokens: PackedTokens, heads: int) -> Tensor:
    """Attention of each text as two batched products around a softmax; [N, 3C] -> [N, C]."""
    mixed = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
    for stack in tokens.stacks(_STACK_TOKENS):
        q, k, v = _heads_of(qkv, stack, heads).flatten(1, 2)  # one copy makes all three contiguous
        weights = torch.bmm(q, k.transpose(1, 2)).softmax(dim=-1)
        _put(mixed, stack, torch.bmm(weights, v).view(stack.texts, heads, stack.tokens, -1))
    return mixed


def mix_by_kernel(qkv: Tensor, tokens: PackedTokens, heads: int) -> Tensor:
    """Attention of each text through the fused kernel, which needs no mask here; [N, 3C] -> [N, C]."""
    mixed = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
    for stack in tokens.stacks(_STACK_TOKENS):
        q, k, v = _heads_of(qkv, stack, heads)
        _put(mixed, stack, attend(q, k, v, AttentionMask(), scale=1.0))
    return mixed


def mix_padded(qkv: Tensor, tokens: PackedTokens, heads: int) -> Tensor:
    """Attention of all texts in one call, padding put back for it alone; [N, 3C] -> [N, C]."""
    padded = tokens.unpack(qkv)
    q, k, v = padded.view(*padded.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)  # each [B, H, T, D]
    uneven = len(set(tokens.sizes)) > 1
    mask = AttentionMask(key_lengths=tokens.lengths if uneven else None)
    return tokens.take(attend(q, k, v, mask, scale=1.0).transpose(1, 2).flatten(2))


def _heads_of(qkv: Tensor, stack: Stack, heads: int) -> Tensor:
    """A stack's queries, keys and values as a view [3, texts, H, T, D]."""
    rows = qkv[stack.start : stack.start + stack.texts * stack.tokens]
    return rows.view(stack.texts, stack.tokens, 3, heads, -1).permute(2, 0, 3, 1, 4)


def _put(mixed: Tensor, stack: Stack, values: Tensor) -> None:
    """Write a stack's [texts, H, T, D] to its place in [N, C]."""
    rows = mixed[stack.start : stack.start + stack.texts * stack.tokens]
    rows.view(stack.texts, stack.tokens, values.shape[1], -1).copy_(values.transpose(1, 2))
