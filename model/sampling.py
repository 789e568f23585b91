"""From logits to the next token: repetition penalty, temperature, top-k, top-p, and the choice itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_BEAMS = 16
MAX_DRAFT_TOKENS = 16


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How to generate; raises ValueError when a value is out of bounds."""

    max_new_tokens: int  # generation ends after this many
    temperature: float = 0.0  # 0: the most probable token, always
    top_k: int = 0  # sample among this many most probable tokens; 0: all
    top_p: float = 1.0  # sample among the most probable tokens that together reach this probability
    repetition_penalty: float = 1.0  # above 1: tokens of the prompt and the answer become less probable
    beams: int = 1  # above 1: beam search over this many hypotheses, without sampling
    stop: tuple[str, ...] = ()  # generation ends before the first of these texts
    seed: int = 0  # of the sampling
    markers: tuple[str, ...] | None = None  # only bracketed markers allowed, as "[1]"; None: no constraint
    first_token_bias: tuple[int, float] | None = None  # token, and what is added to its logit at the start
    prompt_lookup: int = 0  # most tokens drafted a step from what the prompt and the answer repeat; 0: off

    def __post_init__(self) -> None:
        in_bounds = {
            "max_new_tokens": self.max_new_tokens >= 1,
            "temperature": self.temperature >= 0.0,
            "top_k": self.top_k >= 0,
            "top_p": 0.0 < self.top_p <= 1.0,
            "repetition_penalty": self.repetition_penalty > 0.0,
            "beams": 1 <= self.beams <= MAX_BEAMS,
            "stop": all(self.stop),
            "prompt_lookup": 0 <= self.prompt_lookup <= MAX_DRAFT_TOKENS,
        }
        for name, is_valid in in_bounds.items():
            if not is_valid:
                raise ValueError(f"decoding option {name} is out of bounds: {getattr(self, name)!r}")
        if self.beams > 1 and self.temperature > 0.0:
            raise ValueError("beam search does not sample: temperature must be 0 when beams > 1")
        if self.beams > 1 and self.prompt_lookup > 0:
            raise ValueError("beam search does not draft: prompt_lookup must be 0 when beams > 1")


def penalize_repetition(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Divide positive and multiply negative logits [V] of the tokens `seen` (CTRL, Keskar et al., 2019)."""
    scores = logits[seen]
    return logits.index_copy(0, seen, torch.where(scores > 0, scores / penalty, scores * penalty))


def bias_first(logits: Tensor, bias: tuple[int, float] | None) -> Tensor:
    """The first step's logits [..., V] with `bias` added to its token; a forbidden one stays forbidden."""
    if bias is None:
        return logits
    biased = logits.clone()
    biased[..., bias[0]] += bias[1]
    return biased


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Logits [V] with all but the k largest at -inf; ties with the k-th stay."""
    if top_k == 0 or top_k >= logits.numel():
        return logits
    return logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Nucleus sampling (Holtzman et al., 2020): the fewest tokens whose probabilities reach top_p stay."""
    if top_p == 1.0:
        return logits
    ordered, order = logits.softmax(dim=-1).sort(descending=True)
    beyond = ordered.cumsum(dim=-1) - ordered >= top_p  # what is more probable already reaches top_p
    return logits.index_fill(0, order[beyond], -torch.inf)


class Sampler:
    """Chooses the tokens of one sequence; the same seed and logits give the same tokens."""

    def __init__(self, options: DecodingOptions, prompt: Sequence[int], device: torch.device) -> None:
        self._options = options
        self._generator = torch.Generator(device=device).manual_seed(options.seed)
        self._device = device
        self._seen = set(prompt)
        self._bias = options.first_token_bias

    @property
    def takes_best(self) -> bool:
        """Whether `choose` now takes the highest logit as it is."""
        options = self._options
        return options.temperature == 0.0 and options.repetition_penalty == 1.0 and self._bias is None

    def choose(self, logits: Tensor) -> int:
        """The next token for logits float32 [V]; tokens at -inf are never chosen."""
        options = self._options
        logits, self._bias = bias_first(logits, self._bias), None
        if options.repetition_penalty != 1.0:
            seen = torch.tensor(sorted(self._seen), device=self._device)
            logits = penalize_repetition(logits, seen, options.repetition_penalty)
        token = int(logits.argmax()) if options.temperature == 0.0 else self._sample(logits)
        self._seen.add(token)
        return token

    def _sample(self, logits: Tensor) -> int:
        logits = keep_top_k(logits / self._options.temperature, self._options.top_k)
        probabilities = keep_top_p(logits, self._options.top_p).softmax(dim=-1)
        return int(torch.multinomial(probabilities, 1, generator=self._generator))
