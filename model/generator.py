"""Text generation: prompts in, pieces of text out until an end token, a stop text or a limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch

from model.adapter_file import AnswererInfo
from model.answerer import Answerer, refusal_bias
from model.attention import Implementation
from model.beam_search import beam_search
from model.constraints import MarkerConstraint, TokenTexts
from model.decoder import Decoder
from model.decoder_runner import Cancelled, DecoderRunner
from model.decoder_tokenizer import DecoderTokenizer, PromptTokens, Segments
from model.device import DType, choose_device, choose_dtype
from model.graphed_steps import DecodeGraphs
from model.kv_cache import BLOCK_TOKENS
from model.load_decoder import load_decoder
from model.native.decoder import Decode, NativeDecoder, native_decoder
from model.paged_step import PagedDecode, PagedDecodeUnavailable, reads_paged
from model.passage_disk import PassageDisk, PassageFolder
from model.prompt_template import PromptTemplate
from model.registry import resolve_decoder
from model.sampling import MAX_BEAMS, DecodingOptions
from model.scheduler import MAX_RUNNING, STEP_TOKENS, Job, Scheduler
from model.text_stream import TextStream
from model.writer import FinishReason, Piece, Writer

__all__ = ["ContextOverflow", "DecodingOptions", "Generator", "Piece", "Segments", "never"]

MAX_CONTEXT_TOKENS = 32_768  # of the cache, however long the positions reach

Prompt = str | Segments | Sequence[int]


class ContextOverflow(ValueError):
    """The prompt and the tokens asked for do not fit into the context."""

    def __init__(self, prompt_tokens: int, max_new_tokens: int, context_tokens: int) -> None:
        super().__init__(
            f"{prompt_tokens} prompt and {max_new_tokens} new tokens exceed the context of {context_tokens}"
        )
        self.prompt_tokens = prompt_tokens
        self.max_new_tokens = max_new_tokens
        self.context_tokens = context_tokens


def never() -> bool:
    """The cancellation check of a caller who never cancels."""
    return False


class _Pieces:
    """Receives the pieces of one request for a reader in the same thread."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self.cancelled = cancelled
        self.put_aside: deque[Piece] = deque()
        self.ended = False
        self.error: Exception | None = None

    def put(self, piece: Piece) -> None:
        self.put_aside.append(piece)

    def end(self, error: Exception | None = None) -> None:
        self.ended, self.error = True, error


class Generator:
    """A decoder, its tokenizer, one key/value cache and the scheduler that shares it out.

    Used by one thread at a time, `prepare` aside. `generate` and `generate_batch` step the scheduler while
    their caller waits; a service gives what `prepare` returns to `scheduler` and steps it in its own thread.
    """

    def __init__(
        self,
        model_id: str,
        decoder: Decoder,
        tokenizer: DecoderTokenizer,
        *,
        context_tokens: int = MAX_CONTEXT_TOKENS,
        answerer: AnswererInfo | None = None,
        native: NativeDecoder | None = None,
        cache_in_8_bits: bool = False,
        step_tokens: int = STEP_TOKENS,
    ) -> None:
        """`answerer` describes the adapter that was merged into the decoder, if one was.

        `native` holds the same weights and decodes in the decoder's place.
        """
        self.id = model_id
        self.tokenizer = tokenizer
        self.template: PromptTemplate | None = answerer.template if answerer else None
        self.refusal_bias = refusal_bias(answerer, tokenizer) if answerer else None  # for first_token_bias
        self._by_evidence = answerer.by_evidence if answerer else None
        self.context_tokens = min(context_tokens, decoder.config.max_tokens)
        # Every running sequence, and every beam, may leave most of its last block empty.
        spare_tokens = max(MAX_RUNNING, MAX_BEAMS) * BLOCK_TOKENS
        self.runner = DecoderRunner(
            decoder, self.context_tokens + spare_tokens, native=native, cache_in_8_bits=cache_in_8_bits
        )
        self.scheduler = Scheduler(self.runner, step_tokens=step_tokens)

    @classmethod
    def load(
        cls,
        name: str,
        *,
        models_folder: Path,
        device: str = "auto",
        dtype: DType = "bfloat16",
        implementation: Implementation = "sdpa",
        answerer: str | None = None,
        decode: Decode = "plain",
        passage_folder: PassageFolder | None = None,
        cache_in_8_bits: bool = False,
        paged_decode: PagedDecode = "gather",
        decode_graphs: DecodeGraphs = "off",
    ) -> Generator:
        """The generator behind configured names (see `resolve_decoder` and `resolve_answerer`).

        `decode` says who computes what is decoded: `native` steps, `plain` torch, or `auto`: native where
        this machine can. Passages read apart are kept in `passage_folder` too. `decode_graphs` replays the
        kernel's steps. Raises ModelNotFound and ChecksumMismatch; ConfigError, WeightsError or TokenizerError
        for a checkpoint that is not implemented or damaged; AnswererMismatch for another decoder's adapter;
        DeviceUnavailable; NativeUnavailable; PagedDecodeUnavailable when `paged_decode` asks for a kernel
        that cannot read the cache.
        """
        card = resolve_decoder(name, models_folder)
        adapter = None if answerer is None else Answerer.load(answerer, card)
        chosen = choose_device(device)
        decoder, tokenizer = load_decoder(
            card, dtype=choose_dtype(dtype, chosen), device=chosen, implementation=implementation
        )
        if adapter is not None:
            adapter.merge_into(decoder, tokenizer)
        generator = cls(
            card.id if adapter is None else f"{card.id}+{adapter.id}",
            decoder,
            tokenizer,
            answerer=None if adapter is None else adapter.info,
            native=native_decoder(decoder, models_folder / "native", decode),
            cache_in_8_bits=cache_in_8_bits,
        )
        if generator.runner.native is None:
            generator.runner.reads_paged = reads_paged(paged_decode, generator.runner.cache)
            if decode_graphs == "auto" and generator.runner.reads_paged:
                generator.runner.use_graphs().prepare()
        elif paged_decode == "kernel":
            raise PagedDecodeUnavailable("native steps decode")
        if passage_folder is not None and passage_folder.budget_bytes:
            generator.keep_passages(passage_folder)
        return generator

    def keep_passages(self, folder: PassageFolder) -> None:
        """Keep passages that are read apart on disk too, under all that their keys and values depend on."""
        runner = self.runner
        arithmetic = "plain" if runner.native is None else "native"
        identity = f"{self.id} {self.tokenizer.id} {arithmetic} {runner.cache.keys.dtype}"
        runner.passages.disk = PassageDisk(folder, identity=identity, device=runner.device)

    def generate(
        self,
        prompt: Prompt,
        options: DecodingOptions,
        *,
        cancelled: Callable[[], bool] = never,
    ) -> Iterator[Piece]:
        """Pieces of the answer as they become certain; the joined texts are the answer.

        A prompt of text or segments gets the begin token, token ids are taken as they are. `cancelled` is
        asked before every step; pieces then end without a finish reason. Raises ContextOverflow at once,
        not with a piece.
        """
        if options.beams > 1:
            return self._beam_pieces(self._prompt_tokens(prompt, options), options, cancelled)
        return self._pieces(self.prepare(prompt, options), cancelled)

    def generate_batch(self, prompts: Sequence[Prompt], options: DecodingOptions) -> list[str]:
        """One answer a prompt, decoded together as far as the cache has room; raises ContextOverflow."""
        if options.beams > 1:
            answers = [self.generate(prompt, options) for prompt in prompts]
            return ["".join(piece.text for piece in pieces) for pieces in answers]
        jobs = [self.prepare(prompt, options) for prompt in prompts]
        return ["".join(piece.text for piece in received.put_aside) for received in self._finished(jobs)]

    def refusal_bias_at(self, best_score: float | None) -> tuple[int, float] | None:
        """`refusal_bias` under the best passage's relevance 0..1, if it is known and was calibrated."""
        if self.refusal_bias is None or best_score is None or self._by_evidence is None:
            return self.refusal_bias
        return self.refusal_bias[0], self._by_evidence.at(best_score)

    def refusal_margin(self, prompt: Prompt) -> float:
        """By how much a refusal's first token leads all others behind the prompt, nothing added to it.

        Raises ContextOverflow; ValueError for a decoder that has no refusal.
        """
        if self.refusal_bias is None:
            raise ValueError("a decoder without adapter has no refusal")
        token = self.refusal_bias[0]
        sequence, logits = self.runner.read(
            self._prompt_tokens(prompt, DecodingOptions(max_new_tokens=1)), never
        )
        self.runner.cache.close(sequence)
        others = logits.index_fill(0, torch.tensor([token], device=logits.device), -torch.inf)
        return float(logits[token] - others.max())

    def logprobs(self, prompt: Prompt, tokens: Sequence[int]) -> list[float]:
        """Natural logarithms of the model's own probability of each of these tokens behind the prompt.

        Raises ContextOverflow; ValueError without tokens.
        """
        if not tokens:
            raise ValueError("no tokens to weigh")
        encoded = self._prompt_tokens(prompt, DecodingOptions(max_new_tokens=len(tokens)))
        sequence, first = self.runner.read(encoded, never)
        try:
            rows = first[None]
            if len(tokens) > 1:
                rows = torch.cat((rows, self.runner.extend([sequence], [tokens[:-1]]).logits))
        finally:
            self.runner.cache.close(sequence)
        chosen = torch.tensor(tokens, device=rows.device)[:, None]
        weighed: list[float] = rows.log_softmax(dim=-1).gather(1, chosen)[:, 0].tolist()
        return weighed

    def prepare(self, prompt: Prompt, options: DecodingOptions) -> Job:
        """What the scheduler needs of a request, made in any thread, submitted once.

        Raises ContextOverflow; ValueError for beams, which fork their sequences: `generate` searches them.
        """
        if options.beams > 1:
            raise ValueError("the scheduler does not search beams")
        tokens = self._prompt_tokens(prompt, options)
        constraint = self._constraint(options)
        return Job(tokens, Writer(tokens.all, options, self.tokenizer, constraint, self.runner.device))

    def _pieces(self, job: Job, cancelled: Callable[[], bool]) -> Iterator[Piece]:
        """The pieces of one request; its blocks are given back however this ends."""
        received = _Pieces(cancelled)
        try:
            self.scheduler.submit(job, received)
            while received.put_aside or not received.ended:
                if received.put_aside:
                    yield received.put_aside.popleft()
                else:
                    self.scheduler.step()
            if received.error is not None:
                raise received.error
        finally:
            self.scheduler.withdraw(received)

    def _finished(self, jobs: Sequence[Job]) -> list[_Pieces]:
        """The pieces of every job when all are over; raises the first error."""
        receivers = [_Pieces(never) for _ in jobs]
        try:
            for job, received in zip(jobs, receivers, strict=True):
                self.scheduler.submit(job, received)
            while not all(received.ended for received in receivers):
                self.scheduler.step()
        finally:
            for received in receivers:
                self.scheduler.withdraw(received)
        for received in receivers:
            if received.error is not None:
                raise received.error
        return receivers

    def _prompt_tokens(self, prompt: Prompt, options: DecodingOptions) -> PromptTokens:
        """Token ids of a prompt that fits, with its answer, into the context."""
        encoded = self._encoded(prompt)
        tokens = encoded.all
        vocab_size = self.runner.decoder.config.vocab_size
        if not tokens or not all(0 <= token < vocab_size for token in tokens):
            raise ValueError(f"a prompt needs one token or more, each at least 0 and below {vocab_size}")
        if encoded.mask == "block" and not encoded.parts[-1]:
            raise ValueError("the last part of a prompt under the block mask needs one token or more")
        needed_tokens = options.beams * options.max_new_tokens
        if len(tokens) + needed_tokens > self.context_tokens:
            raise ContextOverflow(len(tokens), needed_tokens, self.context_tokens)
        return encoded

    def _encoded(self, prompt: Prompt) -> PromptTokens:
        if isinstance(prompt, Segments):
            return self.tokenizer.encode_segments(prompt)
        return PromptTokens([self.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)])

    def _beam_pieces(
        self, prompt: PromptTokens, options: DecodingOptions, cancelled: Callable[[], bool]
    ) -> Iterator[Piece]:
        """The pieces of the best hypothesis, which is only known at the end."""
        try:
            cached, logits = self.runner.read(prompt, cancelled)
        except Cancelled:
            return
        best = beam_search(
            self.runner,
            cached,
            logits,
            options,
            prompt=set(prompt.all),
            constraint=self._constraint(options),
            end_tokens=self.tokenizer.special.end,
            is_complete=lambda tokens: _has_stop(self.tokenizer.decode(tokens), options.stop),
            cancelled=cancelled,
        )
        if best is None:
            return
        stream = TextStream(options.stop)
        for number, (token, logprob) in enumerate(zip(best.tokens, best.logprobs, strict=True), start=1):
            text = stream.push(self.tokenizer.token_bytes(token))
            reason = self._finish_reason(token, stream) if number == len(best.tokens) else None
            yield Piece(token, text + (stream.finish() if reason else ""), logprob, reason)

    def _finish_reason(self, last: int, stream: TextStream) -> FinishReason:
        if last in self.tokenizer.special.end:
            return "end"
        return "stop" if stream.stopped else "length"

    def _constraint(self, options: DecodingOptions) -> MarkerConstraint | None:
        return None if options.markers is None else MarkerConstraint(self._vocabulary, options.markers)

    @cached_property
    def _vocabulary(self) -> TokenTexts:
        """The token texts, needed only when markers are constrained."""
        return TokenTexts([self.tokenizer.token_bytes(token) for token in range(self.tokenizer.vocab_size)])


def _has_stop(text: str, stop: Sequence[str]) -> bool:
    return any(each in text for each in stop)
