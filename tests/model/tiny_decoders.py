"""Tiny random checkpoints of every decoder family, made by transformers, and a tokenizer of 256 bytes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.utils import logging

from model.decoder import Decoder
from model.decoder_tokenizer import DecoderTokenizer, SpecialTokens
from model.huggingface_decoder import load_huggingface_decoder

VOCAB_SIZE = 258
BEGIN, END = 256, 257
CPU = torch.device("cpu")
COMMON = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.3,
    "bos_token_id": BEGIN,
    "eos_token_id": END,
    "pad_token_id": None,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}
CONFIGS = {
    "llama": LlamaConfig(**COMMON),
    "llama-biases": LlamaConfig(**COMMON, head_dim=16, attention_bias=True, mlp_bias=True),
    "llama-rope-llama3": LlamaConfig(**COMMON, rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True),
    "llama-rope-linear": LlamaConfig(**COMMON, rope_parameters=LINEAR_ROPE),
    "qwen2": Qwen2Config(**COMMON),
    "qwen2-window": Qwen2Config(**COMMON, use_sliding_window=True, sliding_window=9, max_window_layers=3),
    "qwen3": Qwen3Config(**COMMON, head_dim=16, tie_word_embeddings=True),
    "gemma3": Gemma3TextConfig(**COMMON, head_dim=16, query_pre_attn_scalar=20, sliding_window=8),
}


@cache
def oracle(name: str) -> PreTrainedModel:
    """A random transformers model, with norms and biases that are not their trivial defaults."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[name]).eval()
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("bias") or "norm" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.requires_grad_(False)


def save_checkpoint(name: str, folder: Path, **options: object) -> Path:
    """The checkpoint folder of `oracle(name)`."""
    logging.disable_progress_bar()
    oracle(name).save_pretrained(folder, **options)
    return folder


def load_tiny(name: str, folder: Path) -> Decoder:
    """Our decoder with the weights of `oracle(name)`, in float32."""
    return load_huggingface_decoder(save_checkpoint(name, folder), dtype=torch.float32, device=CPU)


def byte_tokenizer() -> DecoderTokenizer:
    """Token i is byte i; then a begin and an end token."""
    written = bytes_to_unicode()
    tokenizer = Tokenizer(BPE(vocab={written[byte]: byte for byte in range(256)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<begin>", "<end>"])
    special = SpecialTokens(BEGIN, frozenset({END}), frozenset({BEGIN, END}))
    return DecoderTokenizer(tokenizer, special, "byte_level")
