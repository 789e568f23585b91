"""How much arithmetic a network asks for: what a measured rate is compared with the machine's limit by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGUFReader

from model.config import EncoderConfig

EMBEDDING = "token_embd.weight"


def encoder_flops(config: EncoderConfig, lengths: Sequence[int]) -> float:
    """Floating-point operations of the products over rows of `lengths` tokens, padding not counted."""
    tokens = np.asarray(lengths, dtype=np.float64)
    linear = config.layers * (4 * config.width**2 + 2 * config.width * config.mlp_width)
    attention = config.layers * 2 * config.width * tokens  # scores and their weighted sum, both ways
    return float((2 * tokens * (linear + attention)).sum())


@dataclass(frozen=True, slots=True)
class DecoderWork:
    """What one token costs, from the packaged weights."""

    prefill_flops: float  # of a prompt token: linear layers of the body, attention not counted
    step_bytes: float  # all weights once, as they are packed in the file


def decoder_work(path: Path) -> DecoderWork | None:
    """The work of a GGUF decoder; None for other files."""
    if path.suffix != ".gguf":
        return None
    tensors = GGUFReader(path).tensors
    body = sum(int(t.n_elements) for t in tensors if t.name not in (EMBEDDING, "output.weight"))
    packed = sum(int(t.n_bytes) for t in tensors)
    tied = all(t.name != "output.weight" for t in tensors)
    unread = 0 if tied else next(int(t.n_bytes) for t in tensors if t.name == EMBEDDING)
    return DecoderWork(prefill_flops=2.0 * body, step_bytes=float(packed - unread))
