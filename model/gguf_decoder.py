"""Decoder checkpoints in GGUF: metadata to DecoderConfig, dequantised tensors to `Decoder`.

The `gguf` package parses the file and undoes the K-quants (specification:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); names, layout and meaning are handled here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar, get_args

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from torch import Tensor

from model.attention import Implementation
from model.config import ConfigError, DecoderConfig, RotaryConfig
from model.decoder import Decoder
from model.decoder_names import places
from model.gguf_reader import QuickGGUFReader
from model.weights import WeightsError, fill

Family = Literal["llama", "qwen2", "qwen3", "gemma3"]
_FAMILIES: tuple[Family, ...] = get_args(Family)
_ROTARY_DIVISORS = "rope_freqs.weight"
# What GGUF does not say about Gemma 3: the base of windowed layers and which layers are windowed.
_GEMMA_LOCAL_BASE = 10_000.0
_GEMMA_PATTERN = 6
_GEMMA_27B_LAYERS = 62  # scales attention by width / heads rather than by head width
_ROWS_AT_ONCE = 16_384  # rows dequantised together: a whole embedding in float32 would double the peak
Value = TypeVar("Value")


class GGUFFile:
    """A GGUF file: typed metadata and lazily dequantised tensors."""

    def __init__(self, path: Path) -> None:
        """Raises WeightsError when the file is not readable GGUF."""
        try:
            self._reader = QuickGGUFReader(path)
        except (ValueError, KeyError, IndexError, OSError, struct.error) as error:
            raise WeightsError(f"{path} is not a readable GGUF file: {error}") from error
        self.architecture: str = self.value("general.architecture", str)

    def value(self, key: str, kind: type[Value], default: Value | None = None) -> Value:
        """The metadata value of a key; raises ConfigError when it is absent or no `kind`."""
        field = self._reader.get_field(key)
        if field is None:
            if default is None:
                raise ConfigError(f"the GGUF metadata has no {key!r}")
            return default
        contents = field.contents()
        if kind is float and isinstance(contents, int):
            contents = float(contents)
        if not isinstance(contents, kind):
            raise ConfigError(f"the GGUF metadata {key!r} is {contents!r}, not {kind.__name__}")
        return contents

    def size(self, key: str, default: int | None = None) -> int:
        """A positive count among the architecture's own keys."""
        value = self.value(f"{self.architecture}.{key}", int, default)
        if value < 1:
            raise ConfigError(f"the GGUF metadata {key!r} is {value}, not a positive count")
        return value

    def shape_of(self, name: str) -> tuple[int, ...] | None:
        """Rows first, as torch writes shapes; None when there is no such tensor."""
        for tensor in self._reader.tensors:
            if tensor.name == name:
                return tuple(int(size) for size in reversed(tensor.shape))
        return None

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor by name in float32, one at a time."""
        for tensor in self._reader.tensors:
            yield tensor.name, _dequantized(tensor)

    def tensor(self, name: str) -> Tensor:
        """One tensor in float32; raises WeightsError when it is absent."""
        for tensor in self._reader.tensors:
            if tensor.name == name:
                return _dequantized(tensor)
        raise WeightsError(f"the GGUF file has no tensor {name}")


def _dequantized(tensor: gguf.ReaderTensor) -> Tensor:
    """A tensor in float32, its rows undone in pieces: the package's own temporaries are as large as that."""
    shape = tuple(int(size) for size in reversed(tensor.shape))
    rows = tensor.data.reshape(shape[0], -1)
    out = np.empty((shape[0], int(np.prod(shape[1:]))), dtype=np.float32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        piece = rows[start : start + _ROWS_AT_ONCE]
        out[start : start + len(piece)] = dequantize(piece, tensor.tensor_type).reshape(len(piece), -1)
    return torch.from_numpy(out).view(shape)


def config_from_gguf(file: GGUFFile) -> DecoderConfig:
    """Read the shape from the metadata; raises ConfigError for what `Decoder` does not implement."""
    if file.architecture not in _FAMILIES:
        raise ConfigError(f"GGUF architecture {file.architecture!r} is not implemented; {_FAMILIES} are")
    family: Family = file.architecture
    gemma = family == "gemma3"
    width, layers = file.size("embedding_length"), file.size("block_count")
    heads = file.size("attention.head_count")
    head_width = file.size("attention.key_length", width // heads)
    if file.size("attention.value_length", head_width) != head_width:
        raise ConfigError("key and value heads of different widths are not implemented")
    odd_scale = gemma and layers == _GEMMA_27B_LAYERS
    embedding = file.shape_of("token_embd.weight")
    if embedding is None:
        raise WeightsError("the GGUF file has no tensor token_embd.weight")
    return DecoderConfig(
        family=family,
        vocab_size=embedding[0],
        width=width,
        heads=heads,
        key_value_heads=file.size("attention.head_count_kv", heads),
        head_width=head_width,
        mlp_width=file.size("feed_forward_length"),
        max_tokens=file.size("context_length"),
        norm_epsilon=file.value(f"{family}.attention.layer_norm_rms_epsilon", float),
        activation="gelu_tanh" if gemma else "silu",
        attention_scale=(width // heads if odd_scale else head_width) ** -0.5,
        rotary=_rotary(file, head_width),
        windows=_windows(file, layers),
        local_rotary=RotaryConfig(_GEMMA_LOCAL_BASE) if gemma else None,
        embedding_scale=width**0.5 if gemma else 1.0,
        qkv_bias=file.shape_of("blk.0.attn_q.bias") is not None,
        output_bias=file.shape_of("blk.0.attn_output.bias") is not None,
        mlp_bias=file.shape_of("blk.0.ffn_gate.bias") is not None,
        qk_norm=family in ("qwen3", "gemma3"),
        sandwich_norms=gemma,
        tied_embeddings=file.shape_of("output.weight") is None,
    )


def _windows(file: GGUFFile, layers: int) -> tuple[int | None, ...]:
    """Gemma 3 looks back over a window except in every 6th layer; other families have none here."""
    key = f"{file.architecture}.attention.sliding_window"
    if file.architecture != "gemma3":
        if file.value(key, int, 0):
            raise ConfigError(f"{key} is set, which is not implemented for {file.architecture}")
        return (None,) * layers
    window = file.value(key, int)
    return tuple(window if (layer + 1) % _GEMMA_PATTERN else None for layer in range(layers))


def _rotary(file: GGUFFile, head_width: int) -> RotaryConfig:
    prefix = f"{file.architecture}.rope."
    base = file.value(f"{prefix}freq_base", float, 10_000.0)
    if file.value(f"{prefix}dimension_count", int, head_width) != head_width:
        raise ConfigError("rotary embedding of a part of the head is not implemented")
    kind = file.value(f"{prefix}scaling.type", str, "none")
    if kind not in ("none", "linear"):
        raise ConfigError(f"rotary scaling {kind!r} is not implemented; linear is")
    factor = file.value(f"{prefix}scaling.factor", float, 1.0) if kind == "linear" else 1.0
    if file.shape_of(_ROTARY_DIVISORS) is None:
        return RotaryConfig(base, linear_factor=factor)
    return RotaryConfig(base, divisors=tuple(file.tensor(_ROTARY_DIVISORS).tolist()))


def load_gguf_decoder(
    file: GGUFFile, *, dtype: torch.dtype, device: torch.device, implementation: Implementation = "sdpa"
) -> Decoder:
    """The decoder in a GGUF file; raises ConfigError and WeightsError."""
    config = config_from_gguf(file)
    decoder = Decoder.uninitialised(config, dtype=dtype, device=device, implementation=implementation)
    fill(decoder, places(config, "gguf"), _in_our_layout(file.tensors(), config))
    return decoder


def _in_our_layout(
    tensors: Iterator[tuple[str, Tensor]], config: DecoderConfig
) -> Iterator[tuple[str, Tensor]]:
    """Llama's query and key rows back in the order in which channel i is paired with channel i + D / 2."""
    for name, tensor in tensors:
        kind = name.split(".")[-2]
        if name == _ROTARY_DIVISORS:
            continue  # part of the configuration
        if config.family == "llama" and kind in ("attn_q", "attn_k"):
            heads = config.heads if kind == "attn_q" else config.key_value_heads
            pairs = tensor.view(heads, config.head_width // 2, 2, *tensor.shape[1:])
            tensor = pairs.transpose(1, 2).reshape(tensor.shape)
        yield name, tensor
