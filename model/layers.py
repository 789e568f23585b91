"""Small parts of the decoder: RMSNorm, rotary embedding, gated MLP."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.config import DecoderConfig, Llama3Scaling, RotaryConfig

RotaryTable = tuple[Tensor, Tensor]  # cosines and signed sines


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last dimension (Zhang and Sennrich, 2019).

    The weight is the whole factor and stays float32: Gemma's `1 + w` is added up once, when weights are read.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(width, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] normed in float32 and returned in its own dtype."""
        return functional.rms_norm(x.float(), self.weight.shape, self.weight, self.epsilon).to(x.dtype)


class HeadNorm(nn.Module):
    """RMSNorm over D of every query and key head (Henry et al., 2020), both in one call."""

    def __init__(self, query_heads: int, key_heads: int, head_width: int, epsilon: float) -> None:
        super().__init__()
        self.heads = (query_heads, key_heads)
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.empty(2, head_width, dtype=torch.float32))  # queries', then keys'

    def forward(self, heads: Tensor) -> Tensor:
        """heads [B, T, H + K, D], query heads first; returns the same shape and dtype."""
        normed = functional.rms_norm(heads.float(), heads.shape[-1:], None, self.epsilon)
        queries, keys = self.heads
        weight = torch.cat((self.weight[:1].expand(queries, -1), self.weight[1:].expand(keys, -1)))
        return (normed * weight).to(heads.dtype)


class GatedMLP(nn.Module):
    """down(activation(gate x) * up x) (Shazeer, 2020), gate and up in one product."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.width, 2 * config.mlp_width, bias=config.mlp_bias)
        self.down = nn.Linear(config.mlp_width, config.width, bias=config.mlp_bias)
        self.activation = config.activation

    def forward(self, x: Tensor) -> Tensor:
        """x [..., C] to [..., C]."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        out: Tensor = self.down(self._activate(gate) * up)
        return out

    def _activate(self, gate: Tensor) -> Tensor:
        if self.activation == "silu":
            return functional.silu(gate)
        return functional.gelu(gate, approximate="tanh")


def inverse_frequencies(rotary: RotaryConfig, head_width: int) -> Tensor:
    """Radians a position turns each pair of channels by: float32 [D / 2]."""
    exponents = torch.arange(0, head_width, 2, dtype=torch.int64).float() / head_width
    frequencies = 1.0 / (rotary.base**exponents)
    if rotary.llama3 is not None:
        return _llama3_frequencies(frequencies, rotary.llama3)
    if rotary.divisors is not None:
        return frequencies / torch.tensor(rotary.divisors, dtype=torch.float32)
    return frequencies / rotary.linear_factor


def _llama3_frequencies(frequencies: Tensor, scaling: Llama3Scaling) -> Tensor:
    """The scaling of Llama 3.1 (Grattafiori et al., 2024; formula of the reference implementation)."""
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    wavelengths = 2 * math.pi / frequencies
    share_kept = ((scaling.original_tokens / wavelengths - low) / (high - low)).clamp(0.0, 1.0)
    return (1 - share_kept) * frequencies / scaling.factor + share_kept * frequencies


class Rotary(nn.Module):
    """Cosines and signed sines for `rotate`, for layers that see everything and for windowed ones."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self._rotaries = tuple(dict.fromkeys((config.rotary, config.local_rotary or config.rotary)))
        self._frequencies: tuple[Tensor, ...] | None = None
        self._head_width = config.head_width

    def forward(self, positions: Tensor, dtype: torch.dtype) -> tuple[RotaryTable, RotaryTable]:
        """positions int64 [B, T]; every table holds two tensors [B, T, 1, D] of the given type."""
        tables = [_rotary_table(each, positions, dtype) for each in self._on(positions.device)]
        return tables[0], tables[-1]

    def _on(self, device: torch.device) -> tuple[Tensor, ...]:
        """The frequencies, made on first use: parameters start on the meta device, these need values."""
        if self._frequencies is None or self._frequencies[0].device != device:
            made = (inverse_frequencies(rotary, self._head_width) for rotary in self._rotaries)
            self._frequencies = tuple(frequencies.to(device) for frequencies in made)
        return self._frequencies


def _rotary_table(frequencies: Tensor, positions: Tensor, dtype: torch.dtype) -> RotaryTable:
    """The first half of the sines is negative, which saves negating half of every head."""
    angles = (positions[..., None].float() * frequencies)[:, :, None]  # [B, T, 1, D / 2]
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((cosine, cosine), dim=-1).to(dtype), torch.cat((-sine, sine), dim=-1).to(dtype)


def rotate(heads: Tensor, table: RotaryTable) -> Tensor:
    """Turn heads [B, T, heads, D] to their positions; channel i is paired with channel i + D / 2."""
    cosine, signed_sine = table
    return heads * cosine + heads.roll(heads.shape[-1] // 2, dims=-1) * signed_sine
