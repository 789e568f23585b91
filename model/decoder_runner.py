"""A decoder and its cache as two operations: prefill a prompt, advance sequences by a token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from model.decoder import Decoder
from model.kv_cache import CachedSequence, KVCache

PREFILL_CHUNK_TOKENS = 1024  # bounds the mask's memory, and how late a cancellation is noticed


class Cancelled(Exception):
    """The caller gave up during prefill."""


class DecoderRunner:
    """Runs a decoder over cached sequences; only logits that are asked for are computed."""

    def __init__(self, decoder: Decoder, capacity_tokens: int) -> None:
        self.decoder = decoder
        weight = decoder.embedding.weight
        self.device = weight.device
        self.cache = KVCache(decoder.config, capacity_tokens, dtype=weight.dtype, device=weight.device)

    @torch.inference_mode()
    def prefill(self, tokens: Sequence[int], cancelled: Callable[[], bool]) -> tuple[CachedSequence, Tensor]:
        """A new sequence that holds `tokens`, and the logits float32 [V] of what follows.

        Raises Cancelled, and CacheFull; the sequence is closed then.
        """
        sequence = self.cache.open()
        try:
            for start in range(0, len(tokens), PREFILL_CHUNK_TOKENS):
                if cancelled():
                    raise Cancelled
                chunk = tokens[start : start + PREFILL_CHUNK_TOKENS]
                hidden = self.decoder.hidden(self._tensor([chunk]), self.cache.step([sequence], [len(chunk)]))
            return sequence, self.decoder.logits(hidden[0, -1])
        except BaseException:
            self.cache.close(sequence)
            raise

    @torch.inference_mode()
    def advance(self, sequences: Sequence[CachedSequence], tokens: Sequence[int]) -> Tensor:
        """Append one token to every sequence; returns logits float32 [B, V]. Raises CacheFull."""
        step = self.cache.step(sequences, [1] * len(sequences))
        hidden = self.decoder.hidden(self._tensor([[token] for token in tokens]), step)
        return self.decoder.logits(hidden[:, -1])

    def _tensor(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self.device)
