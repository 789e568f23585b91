"""Text generation: prefill in chunks, then one token at a time until an end token, a stop text or a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from torch import Tensor

from model.adapter_file import AnswererInfo
from model.answerer import Answerer, refusal_bias
from model.attention import Implementation
from model.beam_search import beam_search
from model.constraints import MarkerConstraint, TokenTexts
from model.decoder import Decoder
from model.decoder_runner import Cancelled, DecoderRunner
from model.decoder_tokenizer import DecoderTokenizer, PromptTokens, Segments
from model.device import DType, choose_device, choose_dtype
from model.kv_cache import BLOCK_TOKENS, CachedSequence
from model.load_decoder import load_decoder
from model.prompt_template import PromptTemplate
from model.registry import resolve_decoder
from model.sampling import MAX_BEAMS, DecodingOptions, Sampler
from model.text_stream import TextStream

__all__ = ["ContextOverflow", "DecodingOptions", "Generator", "Piece", "Segments", "never"]

MAX_CONTEXT_TOKENS = 32_768  # of the cache, however long the positions reach
MAX_BATCH = MAX_BEAMS  # sequences decoded together

FinishReason = Literal["end", "stop", "length"]
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


@dataclass(frozen=True, slots=True)
class Piece:
    """One generated token and the text that became certain with it."""

    token_id: int
    text: str  # whole characters, possibly none or several tokens' worth
    logprob: float  # natural logarithm of the model's own probability, before options change it
    finish_reason: FinishReason | None = None  # set on the last piece


def never() -> bool:
    """The cancellation check of a caller who never cancels."""
    return False


@dataclass(eq=False)
class _Row:
    """One sequence being generated."""

    index: int  # of its prompt
    cached: CachedSequence
    logits: Tensor  # float32 [V], of the next token
    sampler: Sampler
    stream: TextStream
    constraint: MarkerConstraint | None
    left: int  # tokens still allowed


class Generator:
    """A decoder, its tokenizer and one key/value cache; used by one thread at a time."""

    def __init__(
        self,
        model_id: str,
        decoder: Decoder,
        tokenizer: DecoderTokenizer,
        *,
        context_tokens: int = MAX_CONTEXT_TOKENS,
        answerer: AnswererInfo | None = None,
    ) -> None:
        """`answerer` describes the adapter that was merged into the decoder, if one was."""
        self.id = model_id
        self.tokenizer = tokenizer
        self.template: PromptTemplate | None = answerer.template if answerer else None
        self.refusal_bias = refusal_bias(answerer, tokenizer) if answerer else None  # for first_token_bias
        self.context_tokens = min(context_tokens, decoder.config.max_tokens)
        # Every sequence of a batch, and every beam, may leave most of its last block empty.
        self.runner = DecoderRunner(decoder, self.context_tokens + MAX_BATCH * BLOCK_TOKENS)

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
    ) -> Generator:
        """The generator behind configured names (see `resolve_decoder` and `resolve_answerer`).

        Raises ModelNotFound and ChecksumMismatch; ConfigError, WeightsError or TokenizerError for a
        checkpoint that is not implemented or damaged; AnswererMismatch for another decoder's adapter.
        """
        card = resolve_decoder(name, models_folder)
        adapter = None if answerer is None else Answerer.load(answerer, card)
        chosen = choose_device(device)
        decoder, tokenizer = load_decoder(
            card, dtype=choose_dtype(dtype, chosen), device=chosen, implementation=implementation
        )
        if adapter is None:
            return cls(card.id, decoder, tokenizer)
        adapter.merge_into(decoder, tokenizer)
        return cls(f"{card.id}+{adapter.id}", decoder, tokenizer, answerer=adapter.info)

    def generate(
        self,
        prompt: Prompt,
        options: DecodingOptions,
        *,
        cancelled: Callable[[], bool] = never,
    ) -> Iterator[Piece]:
        """Pieces of the answer as they become certain; the joined texts are the answer.

        A prompt of text or segments gets the begin token, token ids are taken as they are. `cancelled` is
        asked before every token; pieces then end without a finish reason. Raises ContextOverflow at once,
        not with a piece.
        """
        tokens = self._prompt_tokens(prompt, options)
        if options.beams > 1:
            return self._beam_pieces(tokens, options, cancelled)
        return (piece for _, piece in self._pieces([tokens], options, cancelled))

    def generate_batch(self, prompts: Sequence[Prompt], options: DecodingOptions) -> list[str]:
        """One answer a prompt, decoded together in groups that fit the cache; raises ContextOverflow."""
        tokens = [self._prompt_tokens(prompt, options) for prompt in prompts]
        if options.beams > 1:
            return [
                "".join(piece.text for piece in self._beam_pieces(each, options, never)) for each in tokens
            ]
        answers: list[str] = []
        for group in self._groups(tokens, options):
            texts = [""] * len(group)
            for index, piece in self._pieces(group, options, never):
                texts[index] += piece.text
            answers.extend(texts)
        return answers

    def _prompt_tokens(self, prompt: Prompt, options: DecodingOptions) -> PromptTokens:
        """Token ids of a prompt that fits, with its answer, into the context."""
        encoded = self._encoded(prompt)
        tokens = encoded.all
        vocab_size = self.runner.decoder.config.vocab_size
        if not tokens or not all(0 <= token < vocab_size for token in tokens):
            raise ValueError(f"a prompt needs one token or more, each at least 0 and below {vocab_size}")
        needed_tokens = options.beams * options.max_new_tokens
        if len(tokens) + needed_tokens > self.context_tokens:
            raise ContextOverflow(len(tokens), needed_tokens, self.context_tokens)
        return encoded

    def _encoded(self, prompt: Prompt) -> PromptTokens:
        if isinstance(prompt, Segments):
            return self.tokenizer.encode_segments(prompt)
        return PromptTokens([self.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)])

    def _groups(self, prompts: list[PromptTokens], options: DecodingOptions) -> Iterator[list[PromptTokens]]:
        """Consecutive prompts that fit into the cache together, MAX_BATCH at most."""
        group: list[PromptTokens] = []
        needed = 0
        for prompt in prompts:
            tokens = len(prompt.all) + options.max_new_tokens
            if group and (len(group) == MAX_BATCH or needed + tokens > self.context_tokens):
                yield group
                group, needed = [], 0
            group.append(prompt)
            needed += tokens
        if group:
            yield group

    def _pieces(
        self, prompts: list[PromptTokens], options: DecodingOptions, cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, Piece]]:
        """Prompt index and piece, sequences taking turns; the cache is given back however this ends."""
        rows: list[_Row] = []
        try:
            for index, prompt in enumerate(prompts):
                rows.append(self._start(index, prompt, options, cancelled))
            while rows and not cancelled():
                pieces = [(row, self._choose(row)) for row in rows]
                for row, piece in pieces:
                    if piece.finish_reason is not None:
                        self.runner.cache.close(row.cached)
                        rows.remove(row)
                yield from ((row.index, piece) for row, piece in pieces)
                self._advance(rows, {row: piece.token_id for row, piece in pieces})
        except Cancelled:
            return
        finally:
            for row in rows:
                self.runner.cache.close(row.cached)

    def _start(
        self, index: int, prompt: PromptTokens, options: DecodingOptions, cancelled: Callable[[], bool]
    ) -> _Row:
        cached, logits = self.runner.read(prompt, cancelled)
        return _Row(
            index=index,
            cached=cached,
            logits=logits,
            sampler=Sampler(options, prompt.all, self.runner.device),
            stream=TextStream(options.stop),
            constraint=self._constraint(options),
            left=options.max_new_tokens,
        )

    def _choose(self, row: _Row) -> Piece:
        """The next token of a row and what it adds to the text."""
        allowed = row.logits if row.constraint is None else row.constraint.mask(row.logits)
        token = row.sampler.choose(allowed)
        logprob = float(row.logits[token] - row.logits.logsumexp(dim=-1))
        if token in self.tokenizer.special.end:
            return Piece(token, row.stream.finish(), logprob, "end")
        if row.constraint is not None:
            row.constraint.accept(token)
        text = row.stream.push(self.tokenizer.token_bytes(token))
        row.left -= 1
        if row.stream.stopped:
            return Piece(token, text, logprob, "stop")
        if row.left == 0:
            return Piece(token, text + row.stream.finish(), logprob, "length")
        return Piece(token, text, logprob)

    def _advance(self, rows: list[_Row], chosen: Mapping[_Row, int]) -> None:
        if rows:
            logits = self.runner.advance([row.cached for row in rows], [chosen[row] for row in rows])
            for row, row_logits in zip(rows, logits, strict=True):
                row.logits = row_logits

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
