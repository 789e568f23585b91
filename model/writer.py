"""From logits to pieces of text, for one sequence: options, markers, end tokens, stop texts, the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from model.constraints import MarkerConstraint
from model.decoder_tokenizer import DecoderTokenizer
from model.prompt_lookup import PromptLookup
from model.sampling import DecodingOptions, Sampler
from model.scores import Scores
from model.text_stream import TextStream

FinishReason = Literal["end", "stop", "length"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One generated token and the text that became certain with it."""

    token_id: int
    text: str  # whole characters, possibly none or several tokens' worth
    logprob: float  # natural logarithm of the model's own probability to about 0.01, before options change it
    finish_reason: FinishReason | None = None  # set on the last piece


class Writer:
    """One sequence as it is written: what to read next, and what the logits then say.

    Drafts only ask for logits ahead of time: every token is chosen from its own logits, one after another, by
    the same code as without drafts, and the first that differs from its draft makes the rest void. So greedy
    text is the same as without drafts, and sampling draws from the same distribution (a draft is accepted
    with the probability that the model gives it) with the same random numbers. One condition: a matrix
    product over several rows may round otherwise than over one, which can turn a near-tie of two logits.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        options: DecodingOptions,
        tokenizer: DecoderTokenizer,
        constraint: MarkerConstraint | None,
        device: torch.device,
    ) -> None:
        """`constraint` is at its start and is this sequence's own."""
        self._tokenizer = tokenizer
        self._constraint = constraint
        self._sampler = Sampler(options, prompt, device)
        self._stream = TextStream(options.stop)
        self._lookup = PromptLookup(prompt, options.prompt_lookup) if options.prompt_lookup else None
        # Sampling and penalties look at more than the highest logit.
        self.only_best = options.temperature == 0.0 and options.repetition_penalty == 1.0
        self._drafted: list[int] = []
        self._last: int | None = None
        self.left_tokens = options.max_new_tokens  # still allowed

    def next_tokens(self, most_drafted: int) -> list[int]:
        """What the next forward pass reads: the last token and `most_drafted` drafts at most.

        Raises ValueError before the first token was written.
        """
        if self._last is None:
            raise ValueError("the first token comes from the logits of the prompt")
        limit = min(most_drafted, self.left_tokens - 1)
        self._drafted = [] if self._lookup is None else self._lookup.draft(limit)
        return [self._last, *self._drafted]

    def write(self, scores: Scores) -> list[Piece]:
        """The pieces that logits [1 + drafts, V] decide: one, and one more for each right draft."""
        pieces: list[Piece] = []
        for row, draft in zip(range(len(scores)), [*self._drafted, None], strict=True):
            piece = self._choose(scores, row)
            pieces.append(piece)
            if piece.finish_reason is not None or piece.token_id != draft:
                break
        self._learn([piece.token_id for piece in pieces])
        return pieces

    def _learn(self, written: list[int]) -> None:
        self._last = written[-1]
        if self._lookup is not None:
            for token in written:
                self._lookup.append(token)
            right = sum(token == draft for token, draft in zip(written, self._drafted, strict=False))
            self._lookup.settle(len(self._drafted), right)
        self._drafted = []

    def _choose(self, scores: Scores, row: int) -> Piece:
        """The next token for one row of logits and what it adds to the text."""
        token, logprob = self._plain_best(scores, row) or self._picked(scores, row)
        if token in self._tokenizer.special.end:
            return Piece(token, self._stream.finish(), logprob, "end")
        if self._constraint is not None:
            self._constraint.accept(token)
        return self._spelled(token, logprob)

    def _plain_best(self, scores: Scores, row: int) -> tuple[int, float] | None:
        """The row's best token with its logprob, where no option and no marker rule stands against it."""
        best = scores.best(row) if self._sampler.takes_best else None
        if best is None or (self._constraint is not None and not self._constraint.allows(best[0])):
            return None
        return best

    def _picked(self, scores: Scores, row: int) -> tuple[int, float]:
        token, logits = scores.choose(row, self._pick)
        return token, float(logits[token] - logits.logsumexp(dim=-1))

    def _pick(self, logits: Tensor) -> int:
        """The token that the options choose of those that the markers allow."""
        return self._sampler.choose(logits if self._constraint is None else self._constraint.mask(logits))

    def _spelled(self, token: int, logprob: float) -> Piece:
        text = self._stream.push(self._tokenizer.token_bytes(token))
        self.left_tokens -= 1
        if self._stream.stopped:
            return Piece(token, text, logprob, "stop")
        if self.left_tokens == 0:
            return Piece(token, text + self._stream.finish(), logprob, "length")
        return Piece(token, text, logprob)
