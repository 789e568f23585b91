"""Beam search (Graves, 2012) with scores divided by length, over sequences that share their cached past."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from model.constraints import MarkerConstraint
from model.decoder_runner import DecoderRunner
from model.kv_cache import CachedSequence
from model.sampling import DecodingOptions, bias_first, penalize_repetition


@dataclass(frozen=True)
class Hypothesis:
    """A continuation of the prompt."""

    tokens: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()  # one a token, of the model itself
    score: float = 0.0  # sum of the log-probabilities after penalties
    constraint: MarkerConstraint | None = None

    @property
    def mean_score(self) -> float:
        """What finished hypotheses of different lengths are compared by."""
        return self.score / max(1, len(self.tokens))


@dataclass(frozen=True)
class _Candidate:
    hypothesis: Hypothesis
    parent: int


def beam_search(
    runner: DecoderRunner,
    sequence: CachedSequence,
    logits: Tensor,
    options: DecodingOptions,
    *,
    prompt: Collection[int],
    constraint: MarkerConstraint | None,
    end_tokens: Collection[int],
    is_complete: Callable[[tuple[int, ...]], bool],
    cancelled: Callable[[], bool],
) -> Hypothesis | None:
    """The best continuation of `sequence`, whose next logits [V] are given; None when cancelled.

    A hypothesis ends with an end token, when `is_complete` says so of its tokens, or at the length limit. The
    sequence is closed.
    """
    active, sequences = [Hypothesis(constraint=constraint)], [sequence]
    finished: list[Hypothesis] = []
    scores = logits[None]  # [hypotheses, V]
    try:
        for step in range(1, options.max_new_tokens + 1):
            if cancelled():
                return None
            growing: list[_Candidate] = []
            for candidate in _candidates(active, scores, options, prompt):
                tokens = candidate.hypothesis.tokens
                if tokens[-1] in end_tokens or is_complete(tokens) or step == options.max_new_tokens:
                    finished.append(candidate.hypothesis)
                elif len(growing) < options.beams:
                    growing.append(candidate)
            finished = sorted(finished, key=lambda each: -each.mean_score)[: options.beams]
            if not growing or _is_decided(finished, growing, options.beams):
                break
            active = [candidate.hypothesis for candidate in growing]
            sequences = _forked(runner, sequences, growing)
            scores = runner.advance(sequences, [hypothesis.tokens[-1] for hypothesis in active])
        return finished[0]
    finally:
        for each in sequences:
            runner.cache.close(each)


def _candidates(
    active: list[Hypothesis], logits: Tensor, options: DecodingOptions, prompt: Collection[int]
) -> list[_Candidate]:
    """The best continuations by one token, best first; twice the beams, since half of them may end."""
    logprobs = logits.log_softmax(dim=-1)  # [hypotheses, V]
    allowed = torch.stack(
        [_allowed(hypothesis, row, options, prompt) for hypothesis, row in zip(active, logprobs, strict=True)]
    )
    totals = allowed + allowed.new_tensor([hypothesis.score for hypothesis in active])[:, None]
    best = totals.flatten().topk(min(2 * options.beams, totals.numel()))
    candidates = []
    for score, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        parent, token = divmod(index, logits.shape[1])
        if score > -torch.inf:
            grown = _grown(active[parent], token, score, float(logprobs[parent, token]))
            candidates.append(_Candidate(grown, parent))
    return candidates


def _allowed(
    hypothesis: Hypothesis, logprobs: Tensor, options: DecodingOptions, prompt: Collection[int]
) -> Tensor:
    """Log-probabilities [V] after the first token's bias, the repetition penalty and the constraint."""
    if not hypothesis.tokens:
        logprobs = bias_first(logprobs, options.first_token_bias)
    if options.repetition_penalty != 1.0:
        seen = torch.tensor(sorted({*prompt, *hypothesis.tokens}), device=logprobs.device)
        logprobs = penalize_repetition(logprobs, seen, options.repetition_penalty)
    return logprobs if hypothesis.constraint is None else hypothesis.constraint.mask(logprobs)


def _grown(hypothesis: Hypothesis, token: int, score: float, logprob: float) -> Hypothesis:
    constraint = None if hypothesis.constraint is None else hypothesis.constraint.copy()
    if constraint is not None:
        constraint.accept(token)
    return Hypothesis((*hypothesis.tokens, token), (*hypothesis.logprobs, logprob), score, constraint)


def _is_decided(finished: list[Hypothesis], growing: list[_Candidate], beams: int) -> bool:
    """True when the best growing hypothesis would, ended now, not make it among the finished ones."""
    best = max(candidate.hypothesis.mean_score for candidate in growing)
    return len(finished) >= beams and finished[-1].mean_score >= best


def _forked(
    runner: DecoderRunner, sequences: list[CachedSequence], growing: list[_Candidate]
) -> list[CachedSequence]:
    """One cached sequence a candidate, sharing the blocks of its parent; the parents are closed."""
    forks = [runner.cache.fork(sequences[candidate.parent]) for candidate in growing]
    for sequence in sequences:
        runner.cache.close(sequence)
    sequences.clear()
    return forks
