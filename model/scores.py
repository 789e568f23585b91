"""Logits of which only the best need to be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of estimated logits."""

    floors: Tensor  # float32 [N]: logits at this and above are exact; what the others estimate lies below
    best: Tensor  # int64 [N]: the token of the highest logit
    log_sums: Tensor  # float32 [N]: logarithm of the sum of exp(logit), to about 0.01
    exact: Callable[[int], Tensor]  # the row's logits float32 [V] without estimates


@dataclass(frozen=True, slots=True)
class Scores:
    """Next-token logits of N positions."""

    logits: Tensor  # float32 [N, V]
    estimate: Estimate | None = None  # None: all logits are exact
    # Every row's best token and its log-probability (`best_of`), where they were fetched in one go.
    best_rows: Sequence[Sequence[float]] | None = None

    def __len__(self) -> int:
        return len(self.logits)

    def best(self, row: int) -> tuple[int, float] | None:
        """A row's highest token and the logarithm of its probability, where both are known already."""
        if self.best_rows is not None:
            token, logprob = self.best_rows[row]
            return int(token), logprob
        if self.estimate is None:
            return None
        token = int(self.estimate.best[row])
        return token, float(self.logits[row, token] - self.estimate.log_sums[row])

    def choose(self, row: int, pick: Callable[[Tensor], int]) -> tuple[int, Tensor]:
        """The token that `pick` takes from a row's logits, and those logits.

        `pick` may lower or forbid tokens. If what it then takes is no better than what is estimated, it
        picks again from exact logits; so the token is always the one that exact logits give.
        """
        logits = self.logits[row]
        token = pick(logits)
        if self.estimate is None or float(logits[token]) >= float(self.estimate.floors[row]):
            return token, logits
        logits = self.estimate.exact(row)
        return pick(logits), logits

    def split(self, counts: Sequence[int]) -> Iterator[Scores]:
        """Consecutive rows, so many each."""
        first = 0
        for count in counts:
            last = first + count
            best_rows = None if self.best_rows is None else self.best_rows[first:last]
            yield Scores(self.logits[first:last], self._of_rows(first, last), best_rows)
            first = last

    def _of_rows(self, first: int, last: int) -> Estimate | None:
        if self.estimate is None:
            return None
        known, rows = self.estimate, slice(first, last)
        return Estimate(
            known.floors[rows], known.best[rows], known.log_sums[rows], lambda row: known.exact(first + row)
        )


def best_of(logits: Tensor) -> Tensor:
    """The best token and its log-probability for logits float32 [N, V]: float32 [N, 2], exact below 2**24."""
    highest, token = logits.max(dim=-1)
    return torch.stack((token.float(), highest - logits.logsumexp(dim=-1)), dim=1)
