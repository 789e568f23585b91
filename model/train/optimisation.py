"""AdamW with warm-up and cosine decay, driven by the share of the budget that is used."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

# Learning rates relative to the body's, by prefix of the name. The reranker's head is fresh; its mixing
# weights are of order 10, where steps of the body's size would leave them as they were.
RERANKER_SCALES = {"head.mix.": 500.0, "head.": 10.0}


@dataclass(frozen=True, slots=True)
class Budget:
    """A run ends after `steps`, or after `seconds` where steps is None."""

    seconds: float
    steps: int | None = None

    def used(self, step: int, elapsed_s: float) -> float:
        """Share of the budget that is used, 0..1."""
        share = step / self.steps if self.steps is not None else elapsed_s / self.seconds
        return min(1.0, share)


class Stopwatch:
    """Seconds of training, evaluation left out, continued from a checkpoint."""

    def __init__(self, elapsed_s: float = 0.0) -> None:
        self._before_s = elapsed_s
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds so far, earlier parts of the run included."""
        return self._before_s + time.monotonic() - self._started


def learning_rate(used: float, peak: float, *, warm_up: float = 0.08, floor: float = 0.05) -> float:
    """Linear warm-up over the first `warm_up` of the budget, then cosine decay to `floor` of the peak."""
    if used < warm_up:
        return peak * max(used / warm_up, 0.02)
    decay = 0.5 * (1 + math.cos(math.pi * (used - warm_up) / (1 - warm_up)))
    return peak * (floor + (1 - floor) * decay)


def adamw(
    model: nn.Module, *, scales: Mapping[str, float] = RERANKER_SCALES, weight_decay: float = 0.01
) -> torch.optim.AdamW:
    """AdamW over trainable parameters: matrices of the body decay, vectors and the head's few weights do not.

    Each group's `scale`, the first of `scales` whose prefix fits, multiplies the learning rate that
    `set_learning_rate` is given.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = next((scale for prefix, scale in scales.items() if name.startswith(prefix)), 1.0)
            decay = weight_decay if parameter.ndim > 1 and scale == 1.0 else 0.0
            groups.setdefault((scale, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "scale": scale}
            for (scale, decay), parameters in groups.items()
        ],
        lr=0.0,
        betas=(0.9, 0.98),
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
