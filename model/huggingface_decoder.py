"""Decoder checkpoints in Hugging Face's folder layout: config.json and safetensors to `Decoder`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from model.attention import Implementation
from model.config import ConfigError, DecoderConfig, Llama3Scaling, RotaryConfig
from model.decoder import Decoder
from model.decoder_names import places
from model.weights import WeightsError, fill, read_safetensors

Value = TypeVar("Value")
Family = Literal["llama", "qwen2", "qwen3", "gemma3"]
_FAMILIES: Mapping[str, Family] = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma3_text": "gemma3",
}
_ACTIVATIONS: Mapping[str, Literal["silu", "gelu_tanh"]] = {
    "silu": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
}
_GEMMA_LOCAL_BASE = 10_000.0
_GEMMA_PATTERN = 6  # every 6th layer sees everything


def config_from_huggingface(raw: Mapping[str, Any]) -> DecoderConfig:
    """Read a checkpoint's `config.json`; raises ConfigError for what `Decoder` does not implement."""
    try:
        return _config(raw)
    except KeyError as error:
        raise ConfigError(f"config.json has no {error.args[0]!r}") from error


def _config(raw: Mapping[str, Any]) -> DecoderConfig:
    family = _known(_FAMILIES, raw["model_type"], "model_type")
    gemma = family == "gemma3"
    heads = int(raw["num_attention_heads"])
    head_width = int(raw.get("head_dim") or raw["hidden_size"] // heads)
    for key in ("final_logit_softcapping", "attn_logit_softcapping", "use_bidirectional_attention"):
        if raw.get(key):
            raise ConfigError(f"{key} is set to {raw[key]!r}, which is not implemented")
    rotary, local_rotary = _rotaries(raw, gemma)
    return DecoderConfig(
        family=family,
        vocab_size=int(raw["vocab_size"]),
        width=int(raw["hidden_size"]),
        heads=heads,
        key_value_heads=int(raw.get("num_key_value_heads") or heads),
        head_width=head_width,
        mlp_width=int(raw["intermediate_size"]),
        max_tokens=int(raw["max_position_embeddings"]),
        norm_epsilon=float(raw["rms_norm_eps"]),
        activation=_known(_ACTIVATIONS, raw["hidden_activation" if gemma else "hidden_act"], "activation"),
        attention_scale=float(raw["query_pre_attn_scalar"] if gemma else head_width) ** -0.5,
        rotary=rotary,
        windows=_windows(raw, gemma),
        local_rotary=local_rotary,
        embedding_scale=float(raw["hidden_size"]) ** 0.5 if gemma else 1.0,
        qkv_bias=family == "qwen2" or bool(raw.get("attention_bias")),
        output_bias=family != "qwen2" and bool(raw.get("attention_bias")),
        mlp_bias=bool(raw.get("mlp_bias")),
        qk_norm=family in ("qwen3", "gemma3"),
        sandwich_norms=gemma,
        tied_embeddings=bool(raw.get("tie_word_embeddings", gemma)),
    )


def _known(values: Mapping[str, Value], name: str, what: str) -> Value:
    if name not in values:
        raise ConfigError(f"{what} {name!r} is not implemented; {', '.join(values)} are")
    return values[name]


def _windows(raw: Mapping[str, Any], gemma: bool) -> tuple[int | None, ...]:
    """One window a layer, from `layer_types` or from the older ways of saying it."""
    layers = range(int(raw["num_hidden_layers"]))
    if raw.get("layer_types"):
        kinds = list(raw["layer_types"])
    elif gemma:
        pattern = int(raw.get("sliding_window_pattern") or _GEMMA_PATTERN)
        kinds = ["sliding_attention" if (layer + 1) % pattern else "full_attention" for layer in layers]
    elif raw.get("use_sliding_window"):
        first = int(raw["max_window_layers"])
        kinds = ["sliding_attention" if layer >= first else "full_attention" for layer in layers]
    else:
        kinds = ["full_attention" for _ in layers]
    if len(kinds) != len(layers) or not set(kinds) <= {"sliding_attention", "full_attention"}:
        raise ConfigError(f"layer_types does not describe {len(layers)} layers: {kinds}")
    return tuple(int(raw["sliding_window"]) if kind == "sliding_attention" else None for kind in kinds)


def _rotaries(raw: Mapping[str, Any], gemma: bool) -> tuple[RotaryConfig, RotaryConfig | None]:
    """Rotary embeddings of unwindowed and of windowed layers, in the newer and the older spelling."""
    newer = raw.get("rope_parameters")
    if newer is not None and gemma:
        return _rotary(newer["full_attention"]), _rotary(newer["sliding_attention"])
    if newer is not None:
        return _rotary(newer), None
    scaling = raw.get("rope_scaling") or {}
    everything = _rotary({"rope_theta": raw["rope_theta"], **scaling})
    local = RotaryConfig(float(raw.get("rope_local_base_freq", _GEMMA_LOCAL_BASE)))
    return everything, local if gemma else None


def _rotary(raw: Mapping[str, Any]) -> RotaryConfig:
    base = float(raw["rope_theta"])
    if float(raw.get("partial_rotary_factor", 1.0)) != 1.0:
        raise ConfigError("rotary embedding of a part of the head is not implemented")
    kind = raw.get("rope_type") or raw.get("type") or "default"
    if kind == "default":
        return RotaryConfig(base)
    if kind == "linear":
        return RotaryConfig(base, linear_factor=float(raw["factor"]))
    if kind != "llama3":
        raise ConfigError(f"rotary scaling {kind!r} is not implemented; default, linear and llama3 are")
    scaling = Llama3Scaling(
        factor=float(raw["factor"]),
        low_frequency_factor=float(raw["low_freq_factor"]),
        high_frequency_factor=float(raw["high_freq_factor"]),
        original_tokens=int(raw["original_max_position_embeddings"]),
    )
    return RotaryConfig(base, llama3=scaling)


def load_huggingface_decoder(
    folder: Path, *, dtype: torch.dtype, device: torch.device, implementation: Implementation = "sdpa"
) -> Decoder:
    """The decoder in a folder with config.json and safetensors; raises ConfigError and WeightsError."""
    config = config_from_huggingface(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    decoder = Decoder.uninitialised(config, dtype=dtype, device=device, implementation=implementation)
    fill(decoder, places(config, "huggingface"), _needed(read_safetensors(folder), decoder))
    return decoder


def _needed(tensors: Iterable[tuple[str, Tensor]], decoder: Decoder) -> Iterator[tuple[str, Tensor]]:
    """Leave out what says nothing new: stored rotary frequencies, and a copy of a tied embedding as head."""
    head: Tensor | None = None
    for name, tensor in tensors:
        if name == "lm_head.weight" and decoder.config.tied_embeddings:
            head = tensor
        elif not name.endswith("rotary_emb.inv_freq"):
            yield name, tensor
    embedding = decoder.embedding.weight
    if head is not None and not torch.equal(head.to(embedding), embedding):
        raise WeightsError("lm_head.weight differs from the embedding that it should be tied to")
