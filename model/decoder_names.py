"""Where every tensor of a checkpoint belongs in `Decoder`, under Hugging Face's names and under GGUF's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model.config import DecoderConfig
from model.weights import Place

NameStyle = Literal["huggingface", "gguf"]


@dataclass(frozen=True, slots=True)
class _Part:
    """One tensor of a checkpoint."""

    parameter: str  # ours
    huggingface: str
    gguf: str
    start: int = 0
    rows: int | None = None
    is_norm: bool = False


def places(config: DecoderConfig, style: NameStyle) -> dict[str, Place]:
    """Checkpoint name to place, for exactly the tensors that a checkpoint of this shape must have."""
    offset = 1.0 if config.family == "gemma3" and style == "huggingface" else 0.0  # GGUF stores 1 + w
    return {
        getattr(part, style): Place(part.parameter, part.start, part.rows, offset if part.is_norm else 0.0)
        for part in _parts(config)
    }


def _parts(config: DecoderConfig) -> Iterator[_Part]:
    yield _Part("embedding.weight", "model.embed_tokens.weight", "token_embd.weight")
    yield _Part("norm.weight", "model.norm.weight", "output_norm.weight", is_norm=True)
    if not config.tied_embeddings:
        yield _Part("head.weight", "lm_head.weight", "output.weight")
    for layer in range(config.layers):
        ours, theirs, gguf = f"blocks.{layer}.", f"model.layers.{layer}.", f"blk.{layer}."
        for part in (*_projections(config), *_norms(config)):
            yield _Part(
                ours + part.parameter,
                theirs + part.huggingface,
                gguf + part.gguf,
                part.start,
                part.rows,
                part.is_norm,
            )


def _projections(config: DecoderConfig) -> Iterator[_Part]:
    """The linear layers of a block; query, key and value are ranges of one matrix, as are gate and up."""
    queries = config.heads * config.head_width
    keys = config.key_value_heads * config.head_width
    inner = config.mlp_width
    linears = (
        ("attention.qkv", "self_attn.q_proj", "attn_q", 0, queries, config.qkv_bias),
        ("attention.qkv", "self_attn.k_proj", "attn_k", queries, keys, config.qkv_bias),
        ("attention.qkv", "self_attn.v_proj", "attn_v", queries + keys, keys, config.qkv_bias),
        ("attention.output", "self_attn.o_proj", "attn_output", 0, None, config.output_bias),
        ("mlp.gate_up", "mlp.gate_proj", "ffn_gate", 0, inner, config.mlp_bias),
        ("mlp.gate_up", "mlp.up_proj", "ffn_up", inner, inner, config.mlp_bias),
        ("mlp.down", "mlp.down_proj", "ffn_down", 0, None, config.mlp_bias),
    )
    for ours, theirs, gguf, start, rows, has_bias in linears:
        for kind in ("weight", "bias") if has_bias else ("weight",):
            yield _Part(f"{ours}.{kind}", f"{theirs}.{kind}", f"{gguf}.{kind}", start, rows)


def _norms(config: DecoderConfig) -> Iterator[_Part]:
    """The norms of a block. What Llama calls post_attention_layernorm stands before its MLP."""
    before_mlp = "pre_feedforward_layernorm" if config.sandwich_norms else "post_attention_layernorm"
    norms: list[tuple[str, str, str, int, int | None]] = [
        ("attention_norm.weight", "input_layernorm", "attn_norm", 0, None),
        ("mlp_norm.weight", before_mlp, "ffn_norm", 0, None),
    ]
    if config.sandwich_norms:
        norms.append(("after_attention.weight", "post_attention_layernorm", "post_attention_norm", 0, None))
        norms.append(("after_mlp.weight", "post_feedforward_layernorm", "post_ffw_norm", 0, None))
    if config.qk_norm:
        norms.append(("attention.qk_norm.weight", "self_attn.q_norm", "attn_q_norm", 0, 1))
        norms.append(("attention.qk_norm.weight", "self_attn.k_norm", "attn_k_norm", 1, 1))
    for ours, theirs, gguf, start, rows in norms:
        yield _Part(ours, f"{theirs}.weight", f"{gguf}.weight", start, rows, is_norm=True)
