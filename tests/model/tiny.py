"""A tokenizer and an encoder small enough to be written inside a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

WORDS = """
    red blue green black white who what where is the a of in was by made paints keeps house boat garden lamp
    river anna boris clara david emma felix harbour tower bridge school ##s , . ?
"""
VOCABULARY = {
    token: index for index, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS.split()])
}
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}


def write_tokenizer(folder: Path) -> Path:
    """A lower-casing WordPiece `tokenizer.json` over `WORDS`."""
    raw: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": VOCABULARY,
        },
    }
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def published_tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random tensors under the names of a published BERT checkpoint."""
    generator = torch.Generator().manual_seed(seed)
    width, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * 0.2

    tensors = {
        "embeddings.word_embeddings.weight": draw(len(VOCABULARY), width),
        "embeddings.position_embeddings.weight": draw(64, width),
        "embeddings.token_type_embeddings.weight": draw(2, width),
        "embeddings.LayerNorm.weight": torch.ones(width),
        "embeddings.LayerNorm.bias": torch.zeros(width),
    }
    for layer in range(2):
        block = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            tensors[f"{block}.attention.self.{part}.weight"] = draw(width, width)
            tensors[f"{block}.attention.self.{part}.bias"] = draw(width)
        for part, rows, columns in (
            ("attention.output", width, width),
            ("intermediate", inner, width),
            ("output", width, inner),
        ):
            tensors[f"{block}.{part}.dense.weight"] = draw(rows, columns)
            tensors[f"{block}.{part}.dense.bias"] = draw(rows)
        for part in ("attention.output", "output"):
            tensors[f"{block}.{part}.LayerNorm.weight"] = torch.ones(width)
            tensors[f"{block}.{part}.LayerNorm.bias"] = torch.zeros(width)
    return tensors


def write_encoder(folder: Path) -> Path:
    """A folder like a published encoder's: config, tokenizer, weights."""
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    save_file(published_tensors(), folder / "model.safetensors")
    return folder
