"""A decoder and its cache as a few operations: prefill a prompt, plain or stitched, and extend sequences."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from model.attention import AttentionMask
from model.decoder import Block, Decoder, DecoderPass, NoCache
from model.decoder_tokenizer import PromptTokens
from model.forward_pass import ForwardPass, Interrupt
from model.graphed_steps import Capture, GraphedSteps
from model.kv_cache import BLOCK_TOKENS, CachedSequence, CacheStep, KVCache
from model.native.decoder import NativeDecoder
from model.paged_step import PagedStep
from model.passage_store import PassageStore
from model.prefix_cache import PrefixCache
from model.scores import Scores, best_of
from model.stored_passage import StoredPassage

PREFILL_CHUNK_TOKENS = 1024  # bounds the mask's memory, and how late a cancellation is noticed
PREFIX_BYTES = 192 * 2**20  # of blocks that prompts begin with: some 10,000 tokens
PASSAGE_BYTES = 256 * 2**20  # of stored passages: some 90 passages of 150 tokens of Gemma 3 270M in bfloat16


class Cancelled(Exception):
    """The caller gave up during prefill."""


class DecoderRunner:
    """Runs a decoder over cached sequences; only logits that are asked for are computed."""

    def __init__(
        self,
        decoder: Decoder,
        capacity_tokens: int,
        *,
        native: NativeDecoder | None = None,
        passage_bytes: int = PASSAGE_BYTES,
        prefix_bytes: int = PREFIX_BYTES,
        cache_in_8_bits: bool = False,
    ) -> None:
        """`native` computes in the decoder's place."""
        self.decoder = decoder
        self.native = native
        self.passages = PassageStore(passage_bytes)
        self.device = decoder.norm.weight.device
        dtype = cast(Block, decoder.blocks[0]).attention.qkv.weight.dtype if native is None else native.dtype
        self.cache = KVCache(
            decoder.config, capacity_tokens, dtype=dtype, device=self.device, in_8_bits=cache_in_8_bits
        )
        self.reads_paged = False  # decode steps of plain torch by the paged kernel (`model.paged_step`)
        self.graphs: GraphedSteps | None = None  # those of few tokens, replayed
        self.prefixes = PrefixCache(self.cache, prefix_bytes // (self.cache.bytes_per_token * BLOCK_TOKENS))

    def read(self, prompt: PromptTokens, cancelled: Callable[[], bool]) -> tuple[CachedSequence, Tensor]:
        """A new sequence that holds the prompt, and the logits float32 [V] of what follows.

        Raises Cancelled, and CacheFull; the sequence is closed then.
        """
        prefill = Prefill(self, prompt)
        try:
            while prefill.logits is None:
                if cancelled():
                    raise Cancelled
                prefill.advance(PREFILL_CHUNK_TOKENS)
        except BaseException:
            self.cache.close(prefill.sequence)
            raise
        return prefill.sequence, prefill.logits

    def use_graphs(self, capture: Capture | None = None) -> GraphedSteps:
        """Replay decode steps of few tokens; once, before the cache is used. See `GraphedSteps`."""
        self.graphs = GraphedSteps(self.decoder, self.cache, capture)
        return self.graphs

    def forget(self) -> None:
        """Keep nothing in memory of texts that were read before, but for what answers still use."""
        self.passages.clear()
        self.prefixes.clear()

    def prefill(self, tokens: Sequence[int], cancelled: Callable[[], bool]) -> tuple[CachedSequence, Tensor]:
        """`read` of tokens that all see those before them."""
        return self.read(PromptTokens([list(tokens)]), cancelled)

    @torch.inference_mode()
    def extend(
        self,
        sequences: Sequence[CachedSequence],
        tokens: Sequence[Sequence[int]],
        *,
        only_best: bool = False,
    ) -> Scores:
        """Append tokens[i] to sequences[i] in one forward pass; logits [N, V] behind every new token.

        The rows of one sequence follow those of the one before it. `only_best` lets logits be estimated that
        are certainly not the highest. Raises CacheFull; nothing changed then.
        """
        if self.graphs is not None and self.graphs.takes(tokens):
            return self.graphs.scores(sequences, tokens, only_best=only_best)
        step = self.cache.step(sequences, [len(each) for each in tokens])
        if self.native is None:
            logits = self._logits(self._hidden(tokens, step))
            return Scores(logits, best_rows=best_of(logits).tolist() if only_best else None)
        hidden = self.native.hidden([token for each in tokens for token in each], step)
        return self.native.best_scores(hidden) if only_best else Scores(self.native.logits(hidden))

    def _hidden(self, tokens: Sequence[Sequence[int]], step: CacheStep) -> Tensor:
        """States [N, C]. Sequences are padded to the longest list of new tokens: let all be about as long."""
        padded = [[*each, *[0] * (max(step.counts) - len(each))] for each in tokens]
        past = PagedStep(step) if self.reads_paged else step
        return step.packed(self.decoder.hidden(self._tensor(padded), past))

    def advance(self, sequences: Sequence[CachedSequence], tokens: Sequence[int]) -> Tensor:
        """Append one token to every sequence; returns logits float32 [B, V]. Raises CacheFull."""
        return self.extend(sequences, [[token] for token in tokens]).logits

    @torch.inference_mode()
    def begin(self, sequence: CachedSequence, tokens: Sequence[int]) -> ForwardPass:
        """Append a part of a prompt; what is returned computes it, by blocks or by native layers.

        Raises CacheFull. Nobody else may append to the sequence until it is computed; closing it is fine.
        """
        step = self.cache.step([sequence], [len(tokens)])
        if self.native is None:
            return DecoderPass(self.decoder, self._tensor([tokens]), step)
        return self.native.begin(tokens, step, is_prompt=True)

    @torch.inference_mode()
    def logits_behind(self, done: ForwardPass) -> Tensor:
        """Logits float32 [V] of what follows the last token."""
        return self._logits(done.last_state)

    def _logits(self, hidden: Tensor) -> Tensor:
        return self.decoder.logits(hidden) if self.native is None else self.native.logits(hidden)

    @torch.inference_mode()
    def stitch(self, sequence: CachedSequence, passage: StoredPassage) -> None:
        """Append a passage that was read apart, its keys turned to the place it now has. Raises CacheFull."""
        keys = self.decoder.turned(passage.keys, sequence.length_tokens)
        self.cache.append(sequence, keys, passage.values)

    @torch.inference_mode()
    def read_passage(self, tokens: Sequence[int], *, keep: bool = True) -> StoredPassage:
        """Read a passage as a text of its own, in one forward pass, and `keep` it for the next prompt."""
        passage = StoredPassage(*self._keys_and_values(tokens))
        if keep:
            self.passages.put(tokens, passage)
        return passage

    def _keys_and_values(self, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Of a text of its own: [layers, T, K, D] each."""
        if self.native is not None:
            return self.native.read_apart(tokens)
        past = _Recorder(ids := self._tensor([tokens]))
        self.decoder.hidden(ids, past)
        return torch.stack(past.keys), torch.stack(past.values)

    def _tensor(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(tokens, dtype=torch.long, device=self.device)


class _Recorder(NoCache):
    """Keeps the keys and values [T, K, D] of every layer of the one sequence that passes."""

    def __init__(self, tokens: Tensor) -> None:
        super().__init__(tokens)
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def extend(
        self, layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """As without recording."""
        self.keys.append(k[0])
        self.values.append(v[0])
        return super().extend(layer, k, v, window)


class Prefill:
    """One prompt on its way into the cache, some tokens at a time; whoever starts it closes `sequence`.

    Under the block mask of `model.train.answers.packing` every part but the last was or is read as a text of
    its own, then turned to its place; the last part sees all of them.
    """

    def __init__(self, runner: DecoderRunner, prompt: PromptTokens) -> None:
        """A stitched prompt's last part, and any other prompt, has one token or more."""
        stitched = prompt.mask == "block" and len(prompt.parts) > 1
        self._runner = runner
        self._apart = deque(prompt.parts[:-1] if stitched else ())
        self._keeps = prompt.keep
        self._prompt = None if stitched else prompt.all  # whose blocks other prompts may begin with
        self.sequence = runner.cache.open()
        self._chunk: ForwardPass | None = None  # begun, not done
        self._rest = prompt.parts[-1] if self._prompt is None else self._unread(self._prompt)
        self.logits: Tensor | None = None  # float32 [V] of what follows, once the whole prompt is cached

    @property
    def remaining_tokens(self) -> int:
        """Tokens still to be computed; passages that are stored need no computation."""
        stored = self._runner.passages
        apart = sum(len(passage) for passage in self._apart if passage not in stored)
        return apart + len(self._rest) + (self._chunk.remaining_tokens if self._chunk else 0)

    @property
    def is_stopped(self) -> bool:
        """True between two layers of a part."""
        return self._chunk is not None

    @torch.inference_mode()
    def advance(self, budget_tokens: int, interrupt: Interrupt | None = None) -> int:
        """Take the next part in, or go on with one that was stopped; returns the tokens computed for it.

        They are `budget_tokens` at most, except that a new passage is always read whole. `interrupt` stops a
        part between two layers, a new passage excepted. Raises CacheFull.
        """
        if self._apart:
            return self._stitch(self._apart.popleft())
        if self._chunk is None:
            tokens, self._rest = self._rest[:budget_tokens], self._rest[budget_tokens:]
            self._chunk = self._runner.begin(self.sequence, tokens)
        chunk = self._chunk
        before_tokens = chunk.remaining_tokens
        if chunk.run(interrupt):
            self._end_chunk(chunk)
        return before_tokens - chunk.remaining_tokens

    def _end_chunk(self, chunk: ForwardPass) -> None:
        self._chunk = None
        if self._rest:
            return
        self.logits = self._runner.logits_behind(chunk)
        if self._prompt is not None and self._keeps:
            self._runner.prefixes.keep(self.sequence, self._prompt)

    def _unread(self, prompt: list[int]) -> list[int]:
        return prompt[self._runner.prefixes.adopt(self.sequence, prompt) :]

    def _stitch(self, passage: Sequence[int]) -> int:
        known = self._runner.passages.get(passage)
        read = known or self._runner.read_passage(passage, keep=self._keeps)
        self._runner.stitch(self.sequence, read)
        return 0 if known else len(passage)
