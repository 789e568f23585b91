"""One decoder for the Llama, Qwen2, Qwen3 and Gemma 3 families; what tells them apart is in DecoderConfig.

Query, key and value projections are one matrix, as are the MLP's gate and up projections: at decode time
every call counts. Norm weights stay float32 whatever the compute type.
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from model.attention import AttentionMask, Implementation, PagedMask, attend
from model.config import DecoderConfig
from model.forward_pass import Interrupt, remaining_share
from model.layers import GatedMLP, HeadNorm, RMSNorm, Rotary, RotaryTable, rotate


class KeyValues(Protocol):
    """The past of one forward pass: a step of the cache, or `NoCache`."""

    positions: Tensor  # int64 [B, T] of the new tokens

    def extend(
        self, layer: int, k: Tensor, v: Tensor, window: int | None, /
    ) -> tuple[Tensor, Tensor, AttentionMask | PagedMask]:
        """Take k, v [B, T, K, D] of the new tokens; return keys and values [B, K, S, D] and their mask.

        Under a PagedMask keys and values are a cache's storage [blocks, block tokens, K, D].
        """
        ...


class NoCache:
    """The new tokens are the whole sequence; right padding is harmless, for no token sees a later one."""

    def __init__(self, tokens: Tensor) -> None:
        self.positions = torch.arange(tokens.shape[1], device=tokens.device)[None]

    def extend(
        self, _layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """The keys and values given, behind a causal mask."""
        return k.transpose(1, 2), v.transpose(1, 2), AttentionMask(causal=True, window=window)


class Attention(nn.Module):
    """Grouped-query self-attention (Ainslie et al., 2023) with rotary positions."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.window = config.windows[layer]
        self.heads, self.key_value_heads = config.heads, config.key_value_heads
        self.head_width, self.scale = config.head_width, config.attention_scale
        rows = (config.heads + 2 * config.key_value_heads) * config.head_width
        self.qkv = nn.Linear(config.width, rows, bias=config.qkv_bias)
        self.output = nn.Linear(config.heads * config.head_width, config.width, bias=config.output_bias)
        self.qk_norm = (
            HeadNorm(config.heads, config.key_value_heads, config.head_width, config.norm_epsilon)
            if config.qk_norm
            else None
        )

    def forward(
        self, x: Tensor, rotary: RotaryTable, past: KeyValues, implementation: Implementation
    ) -> Tensor:
        """x [B, T, C] to [B, T, C]."""
        qkv = self.qkv(x).unflatten(-1, (-1, self.head_width))  # [B, T, H + 2 K, D]
        turned, v = qkv[:, :, : -self.key_value_heads], qkv[:, :, -self.key_value_heads :]
        if self.qk_norm is not None:
            turned = self.qk_norm(turned)
        turned = rotate(turned, rotary)
        q, k = turned[:, :, : self.heads], turned[:, :, self.heads :]
        keys, values, mask = past.extend(self.layer, k, v, self.window)
        seen = attend(q.transpose(1, 2), keys, values, mask, scale=self.scale, implementation=implementation)
        return cast(Tensor, self.output(seen.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    """Attention and MLP, each normed before and, in Gemma 3, after it."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.width, config.norm_epsilon)
        self.attention = Attention(config, layer)
        self.mlp_norm = RMSNorm(config.width, config.norm_epsilon)
        self.mlp = GatedMLP(config)
        self.after_attention: nn.Module = nn.Identity()
        self.after_mlp: nn.Module = nn.Identity()
        if config.sandwich_norms:
            self.after_attention = RMSNorm(config.width, config.norm_epsilon)
            self.after_mlp = RMSNorm(config.width, config.norm_epsilon)

    def forward(
        self, x: Tensor, rotary: RotaryTable, past: KeyValues, implementation: Implementation
    ) -> Tensor:
        """x [B, T, C] to [B, T, C]."""
        attended = self.attention(self.attention_norm(x), rotary, past, implementation)
        x = x + self.after_attention(attended)
        return cast(Tensor, x + self.after_mlp(self.mlp(self.mlp_norm(x))))


class Decoder(nn.Module):
    """Tokens to hidden states to logits; generation is built on top of it."""

    def __init__(self, config: DecoderConfig, *, implementation: Implementation = "sdpa") -> None:
        super().__init__()
        self.config = config
        self.implementation: Implementation = implementation
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_epsilon)
        self.rotary = Rotary(config)
        self.head = None if config.tied_embeddings else nn.Linear(config.width, config.vocab_size, bias=False)

    @classmethod
    def uninitialised(
        cls,
        config: DecoderConfig,
        *,
        dtype: torch.dtype,
        device: torch.device,
        implementation: Implementation = "sdpa",
    ) -> Decoder:
        """A decoder for inference, its parameters still to be filled: float32 norms, the rest `dtype`."""
        with torch.device("meta"):
            decoder = cls(config, implementation=implementation)
        for module in decoder.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.to(dtype)
        return decoder.to_empty(device=device).requires_grad_(False).eval()

    def hidden(self, tokens: Tensor, past: KeyValues | None = None) -> Tensor:
        """Final normed states [B, T, C] of tokens int64 [B, T] that follow `past`."""
        whole = DecoderPass(self, tokens, NoCache(tokens) if past is None else past)
        whole.run()
        return whole.states

    def embed(self, tokens: Tensor) -> Tensor:
        """What the first block reads: [B, T, C]."""
        x: Tensor = self.embedding(tokens)
        # The factor is rounded to the compute type first, as the published Gemma weights were trained. On the
        # CPU: a tensor made on a GPU would wait for it, which no captured step may.
        return x * float(torch.tensor(self.config.embedding_scale, dtype=x.dtype, device="cpu"))

    def turned(self, keys: Tensor, by: int) -> Tensor:
        """Keys [layers, T, K, D] of positions 0.. as they are at positions `by`..: rotations add up.

        Turned in float32, so that a key is rounded to its type once more and no further.
        """
        if by == 0:
            return keys
        tables = self.rotary(torch.tensor([[by]], device=keys.device), torch.float32)
        windowed = torch.tensor([window is not None for window in self.config.windows], device=keys.device)
        cosine, sine = (
            torch.where(windowed[:, None, None, None], local, full)
            for full, local in zip(*tables, strict=True)
        )
        return rotate(keys.float(), (cosine, sine)).to(keys.dtype)

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token scores float32 [..., V] of states [..., C]."""
        weight = self.embedding.weight if self.head is None else self.head.weight
        return nn.functional.linear(hidden, weight).float()

    def forward(self, tokens: Tensor, past: KeyValues | None = None) -> Tensor:
        """Logits float32 [B, T, V] at every position; generation asks for the last position only."""
        return self.logits(self.hidden(tokens, past))


class DecoderPass:
    """Tokens int64 [B, T] through all blocks; see `ForwardPass`."""

    def __init__(self, decoder: Decoder, tokens: Tensor, past: KeyValues) -> None:
        self._decoder, self._past = decoder, past
        self._x = decoder.embed(tokens)
        self._rotary = decoder.rotary(past.positions, self._x.dtype)
        self._layer = 0  # the next one

    def run(self, interrupt: Interrupt | None = None) -> bool:
        """As `ForwardPass.run`."""
        decoder, layers = self._decoder, self._decoder.config.layers
        while self._layer < layers:
            rotary = self._rotary[decoder.config.windows[self._layer] is not None]
            self._x = decoder.blocks[self._layer](self._x, rotary, self._past, decoder.implementation)
            self._layer += 1
            if interrupt is not None and interrupt.is_set():
                break
        return self._layer == layers

    @property
    def states(self) -> Tensor:
        """Final normed states [B, T, C], once `run` returned True."""
        return cast(Tensor, self._decoder.norm(self._x))

    @property
    def last_state(self) -> Tensor:
        """As `ForwardPass.last_state`, of the last sequence."""
        return self.states[-1, -1]

    @property
    def remaining_tokens(self) -> int:
        """As `ForwardPass.remaining_tokens`."""
        layers = self._decoder.config.layers
        return remaining_share(self._x.shape[1], layers - self._layer, layers)
