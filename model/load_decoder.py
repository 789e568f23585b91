"""A model card to a decoder and its tokenizer, whatever the checkpoint's format."""

from __future__ import annotations

from pathlib import Path

import torch

from model.attention import Implementation
from model.decoder import Decoder
from model.decoder_tokenizer import DecoderTokenizer, load_tokenizer_folder
from model.gguf_decoder import GGUFFile, load_gguf_decoder
from model.gguf_tokenizer import CACHE_SUFFIX, load_gguf_tokenizer
from model.huggingface_decoder import load_huggingface_decoder
from model.registry import ModelCard


def load_decoder(
    card: ModelCard, *, dtype: torch.dtype, device: torch.device, implementation: Implementation = "sdpa"
) -> tuple[Decoder, DecoderTokenizer]:
    """Read the weights of a card; raises ConfigError, WeightsError and TokenizerError.

    The tokenizer rebuilt from a GGUF file is kept beside the file where that can be written.
    """
    if card.path.is_dir():
        decoder = load_huggingface_decoder(
            card.path, dtype=dtype, device=device, implementation=implementation
        )
        return decoder, load_tokenizer_folder(card.path)
    file = GGUFFile(card.path)
    tokenizer = load_gguf_tokenizer(file, cache=_tokenizer_cache(card))
    return load_gguf_decoder(file, dtype=dtype, device=device, implementation=implementation), tokenizer


def _tokenizer_cache(card: ModelCard) -> Path:
    """Named by the file's checksum, so that another file of the same name gets its own."""
    return card.path.with_name(f"{card.path.stem}-{card.sha256[:12]}{CACHE_SUFFIX}")
