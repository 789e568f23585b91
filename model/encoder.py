"""The BERT encoder: token ids to one vector per token, loaded from safetensors by name.

Dropout is left out on purpose: inference does not use it, and a fine-tuning run of minutes is shorter
than the point where it pays for its cost.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import AttentionMask, Implementation, attend
from model.config import EncoderConfig
from model.weights import Place, fill, read_safetensors

# Tensors of published checkpoints that token vectors do not need: a constant and the heads of pretraining.
_UNUSED = re.compile(r"embeddings\.position_ids|pooler\..*|cls\..*")


class Block(nn.Module):
    """Self-attention and a feed-forward part, each followed by the residual sum and LayerNorm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width, epsilon = config.width, config.norm_epsilon
        self.heads = config.heads
        self.qkv = nn.Linear(width, 3 * width)  # one product instead of three
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.mlp_in = nn.Linear(width, config.mlp_width)
        self.mlp_out = nn.Linear(config.mlp_width, width)
        self.mlp_norm = nn.LayerNorm(width, eps=epsilon)

    def forward(self, x: Tensor, mask: AttentionMask, attention: Implementation = "sdpa") -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, H, T, D]
        mixed = attend(q, k, v, mask, scale=q.shape[-1] ** -0.5, implementation=attention)
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, width)
        x = self.attention_norm(x + self.attention_out(mixed))
        out: Tensor = self.mlp_norm(x + self.mlp_out(F.gelu(self.mlp_in(x))))
        return out


class Encoder(nn.Module):
    """Embeddings and blocks; positions past a row's length are padding and never seen by real tokens."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.attention: Implementation = "sdpa"  # training takes "dense": its backward pass is faster
        self.words = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Embedding(config.max_positions, config.width)
        self.types = nn.Embedding(config.token_types, config.width)
        self.norm = nn.LayerNorm(config.width, eps=config.norm_epsilon)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, token_ids: Tensor, lengths: Tensor, token_types: Tensor | None = None) -> Tensor:
        """Token vectors [B, T, C] of `token_ids` int64 [B, T], whose rows hold `lengths` [B] real tokens.

        `token_types` int64 [B, T] tells question (0) from passage (1); None means all 0. Vectors at
        padding are meaningless. Raises ValueError when T exceeds the learned positions.
        """
        x, mask = self.embed(token_ids, token_types), self.mask(lengths, token_ids.shape[1])
        for block in self.blocks:
            x = block(x, mask, self.attention)
        return x

    def embed(self, token_ids: Tensor, token_types: Tensor | None = None) -> Tensor:
        """What the first block reads: [B, T, C]; raises ValueError as `forward` does."""
        tokens = token_ids.shape[1]
        if tokens > self.config.max_positions:
            raise ValueError(f"{tokens} tokens exceed the encoder's {self.config.max_positions} positions")
        types = self.types.weight[0] if token_types is None else self.types(token_types)
        x: Tensor = self.norm(self.words(token_ids) + self.positions.weight[:tokens] + types)
        return x

    @staticmethod
    def mask(lengths: Tensor, tokens: int) -> AttentionMask:
        """Hides padding; without any the mask is left out altogether, which takes the faster kernel."""
        return AttentionMask(key_lengths=None if bool((lengths == tokens).all()) else lengths)


def scaled_queries(qkv: Tensor, heads: int) -> Tensor:
    """The weight [3C, C] or bias [3C] with its query third times D ** -0.5: one pass over the scores less."""
    width = qkv.shape[0] // 3
    scaled: Tensor = torch.cat([qkv[:width].detach() * (width // heads) ** -0.5, qkv[width:].detach()])
    return scaled


def published_places(config: EncoderConfig) -> dict[str, Place]:
    """Published tensor name -> its place here; each block's query, key and value share one parameter."""
    width = config.width
    places = {
        "embeddings.word_embeddings.weight": Place("words.weight"),
        "embeddings.position_embeddings.weight": Place("positions.weight"),
        "embeddings.token_type_embeddings.weight": Place("types.weight"),
    }
    for end in ("weight", "bias"):
        places[f"embeddings.LayerNorm.{end}"] = Place(f"norm.{end}")
        for layer in range(config.layers):
            theirs, ours = f"encoder.layer.{layer}", f"blocks.{layer}"
            for part, name in enumerate(("query", "key", "value")):
                places[f"{theirs}.attention.self.{name}.{end}"] = Place(
                    f"{ours}.qkv.{end}", part * width, width
                )
            for their_part, our_part in (
                ("attention.output.dense", "attention_out"),
                ("attention.output.LayerNorm", "attention_norm"),
                ("intermediate.dense", "mlp_in"),
                ("output.dense", "mlp_out"),
                ("output.LayerNorm", "mlp_norm"),
            ):
                places[f"{theirs}.{their_part}.{end}"] = Place(f"{ours}.{our_part}.{end}")
    return places


def load_encoder(folder: Path) -> Encoder:
    """The encoder of a folder with `config.json` and safetensors, fp32, in evaluation mode.

    Raises ConfigError for another architecture and WeightsError naming missing or extra tensors.
    """
    config = EncoderConfig.from_huggingface(json.loads((folder / "config.json").read_text("utf-8")))
    encoder = Encoder(config)
    named = ((name.removeprefix("bert."), tensor) for name, tensor in read_safetensors(folder))
    wanted = ((name, tensor) for name, tensor in named if not _UNUSED.fullmatch(name))
    fill(encoder, published_places(config), wanted)
    return encoder.eval()
