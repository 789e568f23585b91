"""Shapes of the networks: frozen, one comment a field.

Letters used in every docstring of `model`: B batch, T tokens, H heads, K key/value heads, D head width,
C model width, V vocabulary, S cache slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


class ConfigError(ValueError):
    """A checkpoint describes a network that this code does not implement."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """A BERT encoder (Devlin et al., 2019): learned positions, post-norm blocks, exact GELU."""

    vocab_size: int  # V
    width: int  # C, the residual stream
    layers: int  # blocks
    heads: int  # H; width divides into heads of D = width // heads
    mlp_width: int  # inner width of the feed-forward part
    max_positions: int  # learned positions: the longest sequence
    token_types: int  # segments told apart: 0 question, 1 passage
    norm_epsilon: float  # added to the variance in LayerNorm

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"width {self.width} does not divide into {self.heads} heads")

    @property
    def head_width(self) -> int:
        """D."""
        return self.width // self.heads

    def to_dict(self) -> dict[str, int | float]:
        """Plain values, for a weights file's metadata."""
        return asdict(self)

    @classmethod
    def from_huggingface(cls, raw: Mapping[str, Any]) -> EncoderConfig:
        """Read a checkpoint's `config.json`; raises ConfigError where it is not the BERT built here."""
        expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
        for key, value in expected.items():
            if raw.get(key, value) != value:
                raise ConfigError(f"{key} is {raw[key]!r}; only {value!r} is implemented")
        try:
            return cls(
                vocab_size=int(raw["vocab_size"]),
                width=int(raw["hidden_size"]),
                layers=int(raw["num_hidden_layers"]),
                heads=int(raw["num_attention_heads"]),
                mlp_width=int(raw["intermediate_size"]),
                max_positions=int(raw["max_position_embeddings"]),
                token_types=int(raw["type_vocab_size"]),
                norm_epsilon=float(raw["layer_norm_eps"]),
            )
        except KeyError as error:
            raise ConfigError(f"config.json has no {error.args[0]!r}") from error


@dataclass(frozen=True, slots=True)
class Llama3Scaling:
    """Long-context scaling of Llama 3.1: slow frequencies are divided, fast ones kept, the middle blended."""

    factor: float  # slow frequencies are divided by this
    low_frequency_factor: float  # wavelengths above original_tokens / this are slow
    high_frequency_factor: float  # wavelengths below original_tokens / this are fast
    original_tokens: int  # context length before scaling


@dataclass(frozen=True, slots=True)
class RotaryConfig:
    """Rotary position embedding (Su et al., 2021) of one kind of layer; at most one scaling is set."""

    base: float  # wavelengths grow from 2 pi to 2 pi times this
    linear_factor: float = 1.0  # positions are divided by this
    llama3: Llama3Scaling | None = None  # the formula of Llama 3.1
    divisors: tuple[float, ...] | None = None  # D / 2 ready-made divisors of the frequencies


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """A pre-norm decoder of the Llama, Qwen2, Qwen3 or Gemma 3 family: its flags tell them apart."""

    family: Literal["llama", "qwen2", "qwen3", "gemma3"]  # for messages and name maps; behaviour is below
    vocab_size: int  # V
    width: int  # C, the residual stream
    heads: int  # H query heads
    key_value_heads: int  # K; H / K query heads share one
    head_width: int  # D
    mlp_width: int  # inner width of the gated feed-forward part
    max_tokens: int  # longest sequence the positions were trained for
    norm_epsilon: float  # added to the mean square in RMSNorm
    activation: Literal["silu", "gelu_tanh"]  # of the MLP's gate
    attention_scale: float  # multiplies q k before the softmax
    rotary: RotaryConfig  # of layers that see everything
    windows: tuple[int | None, ...]  # one a layer: positions it looks back over, its own included; None: all
    local_rotary: RotaryConfig | None = None  # of layers with a window; None: the same
    embedding_scale: float = 1.0  # multiplies the token embeddings
    qkv_bias: bool = False  # query, key and value projections have biases
    output_bias: bool = False  # the attention's output projection has one
    mlp_bias: bool = False  # the MLP's projections have biases
    qk_norm: bool = False  # RMSNorm over D of every query and key head
    sandwich_norms: bool = False  # RMSNorm after attention and MLP as well, before the residual addition
    tied_embeddings: bool = False  # the output head is the embedding matrix

    def __post_init__(self) -> None:
        if self.heads % self.key_value_heads:
            raise ConfigError(
                f"{self.heads} query heads do not divide over {self.key_value_heads} key/value heads"
            )
        if self.head_width % 2:
            raise ConfigError(f"rotary embedding needs an even head width, not {self.head_width}")

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(self.windows)

    def rotary_of(self, layer: int) -> RotaryConfig:
        """The rotary embedding of a layer: Gemma 3 turns its windowed layers by another base."""
        if self.windows[layer] is not None and self.local_rotary is not None:
            return self.local_rotary
        return self.rotary
