"""The training loop that networks share: updates under a budget, evaluations, checkpoints it resumes from.

A subclass says what a batch is, what one update does and how good the network is.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

from model.durable_file import publish
from model.train.ahead import made_ahead
from model.train.optimisation import Budget, Stopwatch, learning_rate, set_learning_rate

log = logging.getLogger(__name__)
Batch = TypeVar("Batch")
Origin = Mapping[str, str]  # SHA-256 of all that a run learns from: data files and networks, by name

_GPU_PARTS = 4  # processes that make batches
_PART_SEEDS = 1000  # between the seeds of two of them


class LoopRecipe(Protocol):
    """What the loop reads of a recipe, which is a dataclass."""

    @property
    def minutes(self) -> float: ...

    @property
    def steps(self) -> int | None: ...

    @property
    def seed(self) -> int: ...

    @property
    def peak_rate(self) -> float: ...

    @property
    def evaluate_every(self) -> float: ...


@dataclass(slots=True)
class Progress:
    """What a checkpoint keeps besides weights and optimiser."""

    step: int = 0
    elapsed_s: float = 0.0
    pairs: int = 0
    best: float = -math.inf
    losses: list[float] = dataclasses.field(default_factory=list)
    qualities: list[tuple[int, float]] = dataclasses.field(default_factory=list)  # (step, quality)


class Loop(ABC, Generic[Batch]):
    """The loop and its state; `run` continues from a checkpoint where there is one."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: LoopRecipe,
        work: Path,
        origin: Origin,
    ) -> None:
        self.network, self.optimizer, self._recipe, self._origin = model, optimizer, recipe, origin
        self.device = next(model.parameters()).device
        self.checkpoint = work / "checkpoint.pt"
        self.best = work / "best.pt"
        self.budget = Budget(recipe.minutes * 60, recipe.steps)
        self.progress = Progress()

    @abstractmethod
    def batches(self, chance: random.Random) -> Iterator[Batch]:
        """Endless batches, the same for the same `chance`."""

    @abstractmethod
    def update(self, batch: Batch) -> tuple[float, int]:
        """One update; returns the loss and how many pairs it read."""

    @abstractmethod
    def quality(self) -> float:
        """How good the network is on the development split: larger is better."""

    def run(self) -> Progress:
        """Train until the budget is used; the network ends with the weights that were best."""
        self._resume()
        if self.progress.step == 0:
            self._evaluate()
        # A CPU has no core to spare for making batches; a GPU would wait for them.
        on_gpu = self.device.type == "cuda"
        batches = made_ahead(self._wound_on, parts=_GPU_PARTS) if on_gpu else self._wound_on(0, 1)
        watch = Stopwatch(self.progress.elapsed_s)
        next_evaluation = self.budget.used(self.progress.step, watch.elapsed_s) + self._recipe.evaluate_every
        while (used := self.budget.used(self.progress.step, watch.elapsed_s)) < 1.0:
            set_learning_rate(self.optimizer, learning_rate(used, self._recipe.peak_rate))
            self._step(next(batches), watch)
            if self.budget.used(self.progress.step, watch.elapsed_s) >= min(next_evaluation, 1.0):
                next_evaluation += self._recipe.evaluate_every
                self._evaluate()
                watch = Stopwatch(self.progress.elapsed_s)
        if self.best.is_file():
            self.network.load_state_dict(torch.load(self.best, weights_only=True, map_location=self.device))
        return self.progress

    def _wound_on(self, part: int, parts: int) -> Iterator[Batch]:
        """One of `parts` streams whose batches are taken in turn, wound on to where a resumed run stopped."""
        stream = self.batches(random.Random(self._recipe.seed + _PART_SEEDS * part))
        for _ in range(part, self.progress.step, parts):
            next(stream)
        return stream

    def _step(self, batch: Batch, watch: Stopwatch) -> None:
        progress = self.progress
        loss, pairs = self.update(batch)
        progress.losses.append(loss)
        progress.step += 1
        progress.pairs += pairs
        progress.elapsed_s = watch.elapsed_s
        if progress.step % 10 == 0:
            used = self.budget.used(progress.step, progress.elapsed_s)
            recent = sum(progress.losses[-10:]) / 10
            left_s = progress.elapsed_s * (1 - used) / max(used, 1e-9)
            rate = progress.pairs / progress.elapsed_s
            log.info("step %d  loss %.4f  %.1f pairs/s  %.0f s left", progress.step, recent, rate, left_s)

    def _evaluate(self) -> None:
        """Measure, keep the best weights, write a checkpoint."""
        quality = self.quality()
        self.progress.qualities.append((self.progress.step, quality))
        if quality > self.progress.best:
            self.progress.best = quality
            save_atomically(self.network.state_dict(), self.best)
        state = {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": dataclasses.asdict(self.progress),
            "recipe": dataclasses.asdict(self._recipe),  # type: ignore[call-overload]
            "origin": dict(self._origin),
        }
        save_atomically(state, self.checkpoint)

    def _resume(self) -> None:
        if not self.checkpoint.is_file():
            return
        state = torch.load(self.checkpoint, weights_only=True, map_location=self.device)
        if state["recipe"] != dataclasses.asdict(self._recipe):  # type: ignore[call-overload]
            raise ValueError(f"{self.checkpoint} belongs to another recipe; {self._remedy}")
        if state.get("origin") != dict(self._origin):
            raise ValueError(f"{self.checkpoint} belongs to other data or networks; {self._remedy}")
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        log.info("resumed at step %d", self.progress.step)
        if self.budget.used(self.progress.step, self.progress.elapsed_s) >= 1.0:
            log.info("this run is finished: nothing is left to train")

    @property
    def _remedy(self) -> str:
        return f"remove it and {self.best.name} beside it to start again"


def save_atomically(state: Any, path: Path) -> None:
    """torch.save into a file that appears whole or not at all, after a power cut too."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    publish(partial, path)
