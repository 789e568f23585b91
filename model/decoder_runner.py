"""A decoder and its cache as a few operations: prefill a prompt, plain or stitched, advance by a token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from model.decoder import Decoder
from model.decoder_tokenizer import PromptTokens
from model.kv_cache import CachedSequence, KVCache
from model.passage_store import PassageStore, StoredPassage

PREFILL_CHUNK_TOKENS = 1024  # bounds the mask's memory, and how late a cancellation is noticed
PASSAGE_BYTES = 256 * 2**20  # of stored passages: some 90 passages of 150 tokens of Gemma 3 270M in bfloat16


class Cancelled(Exception):
    """The caller gave up during prefill."""


class DecoderRunner:
    """Runs a decoder over cached sequences; only logits that are asked for are computed."""

    def __init__(self, decoder: Decoder, capacity_tokens: int, *, passage_bytes: int = PASSAGE_BYTES) -> None:
        self.decoder = decoder
        self.passages = PassageStore(passage_bytes)
        weight = decoder.embedding.weight
        self.device = weight.device
        self.cache = KVCache(decoder.config, capacity_tokens, dtype=weight.dtype, device=weight.device)

    def read(self, prompt: PromptTokens, cancelled: Callable[[], bool]) -> tuple[CachedSequence, Tensor]:
        """Prefill under the prompt's mask."""
        if prompt.mask == "block" and len(prompt.parts) > 1:
            preamble, *passages, question = prompt.parts
            return self.prefill_stitched(preamble, passages, question, cancelled)
        return self.prefill(prompt.all, cancelled)

    @torch.inference_mode()
    def prefill(self, tokens: Sequence[int], cancelled: Callable[[], bool]) -> tuple[CachedSequence, Tensor]:
        """A new sequence that holds `tokens`, and the logits float32 [V] of what follows.

        Raises Cancelled, and CacheFull; the sequence is closed then.
        """
        sequence = self.cache.open()
        try:
            return sequence, self._read(sequence, tokens, cancelled)
        except BaseException:
            self.cache.close(sequence)
            raise

    @torch.inference_mode()
    def prefill_stitched(
        self,
        preamble: Sequence[int],
        passages: Sequence[Sequence[int]],
        question: Sequence[int],
        cancelled: Callable[[], bool],
    ) -> tuple[CachedSequence, Tensor]:
        """As `prefill`, under the block mask of `model.train.answers.packing`: only what is new is read.

        Every passage was or is read as a text of its own, then turned to its place; the question sees all
        of them. Raises Cancelled, and CacheFull; the sequence is closed then.
        """
        sequence = self.cache.open()
        try:
            for part in (preamble, *passages):
                stored = self._passage(part, cancelled)
                keys = self.decoder.turned(stored.keys, sequence.length_tokens)
                self.cache.append(sequence, keys, stored.values)
            return sequence, self._read(sequence, question, cancelled)
        except BaseException:
            self.cache.close(sequence)
            raise

    def _passage(self, tokens: Sequence[int], cancelled: Callable[[], bool]) -> StoredPassage:
        """The stored passage; it is read now when it is new."""
        found = self.passages.get(tokens)
        if found is None:
            alone = self.cache.open()
            try:
                self._read(alone, tokens, cancelled, want_logits=False)
                found = StoredPassage(*self.cache.read(alone, 0))
            finally:
                self.cache.close(alone)
            self.passages.put(tokens, found)
        return found

    def _read(
        self,
        sequence: CachedSequence,
        tokens: Sequence[int],
        cancelled: Callable[[], bool],
        *,
        want_logits: bool = True,
    ) -> Tensor:
        """Append tokens in chunks; the logits float32 [V] of what follows, empty when nobody wants them."""
        for start in range(0, len(tokens), PREFILL_CHUNK_TOKENS):
            if cancelled():
                raise Cancelled
            chunk = tokens[start : start + PREFILL_CHUNK_TOKENS]
            hidden = self.decoder.hidden(self._tensor([chunk]), self.cache.step([sequence], [len(chunk)]))
        return self.decoder.logits(hidden[0, -1]) if want_logits else hidden.new_empty(0)

    @torch.inference_mode()
    def advance(self, sequences: Sequence[CachedSequence], tokens: Sequence[int]) -> Tensor:
        """Append one token to every sequence; returns logits float32 [B, V]. Raises CacheFull."""
        step = self.cache.step(sequences, [1] * len(sequences))
        hidden = self.decoder.hidden(self._tensor([[token] for token in tokens]), step)
        return self.decoder.logits(hidden[:, -1])

    def _tensor(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self.device)
