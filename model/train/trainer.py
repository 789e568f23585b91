"""The training loop of the cross-encoder: batches, updates, evaluations, and checkpoints it resumes from."""

from __future__ import annotations

import dataclasses
import logging
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.cross_encoder import CrossEncoder
from model.encoder import load_encoder
from model.tokenizer import EncoderTokenizer
from model.train.data import Corpus, ListMaker, PairList
from model.train.evaluate import candidate_lists, list_features, list_logits, ranking_quality
from model.train.losses import reranker_loss
from model.train.optimisation import Budget, Stopwatch, adamw, learning_rate, set_learning_rate

log = logging.getLogger(__name__)

_MONITOR_CANDIDATES = 10
_MONITOR_TOKENS = 128  # longest row while monitoring: a trend is wanted, not a figure to report


@dataclass(frozen=True)
class Recipe:
    """What the run does; stored in the card."""

    minutes: float = 30.0  # of training, evaluation left out
    steps: int | None = None  # instead of minutes, for runs that must repeat exactly
    seed: int = 7
    list_size: int = 4  # passages a question: one positive, the rest negatives
    batch_tokens: int = 2048  # padded tokens a step
    max_pair_tokens: tuple[int, ...] = (
        64,
        96,
        128,
    )  # one drawn a batch: no padding, and short rows are cheap
    peak_rate: float = 6e-5
    clip_norm: float = 1.0
    binary_share: float = 0.5  # of the loss
    frozen_layers: int = 2  # lowest blocks kept as they are
    evaluate_every: float = 0.34  # of the budget
    monitor_questions: int = 24  # of the development split, at each evaluation
    calibration_questions: int = 100
    test_questions: int = 100
    candidates: int = 24  # retrieved passages a question, as in the product
    max_tokens: int = 256  # longest row in use


@dataclass(slots=True)
class Progress:
    """What a checkpoint keeps besides weights and optimiser."""

    step: int = 0
    elapsed_s: float = 0.0
    pairs: int = 0
    best: float = -1.0
    losses: list[float] = dataclasses.field(default_factory=list)


def rarity(corpus: Corpus, tokenizer: EncoderTokenizer, vocab_size: int) -> Tensor:
    """Inverse document frequency of every token over the training passages, scaled to a mean of 1."""
    indices = corpus.passages_of("train")
    seen = torch.zeros(vocab_size)
    for ids in tokenizer.encode([corpus.passages[index].text for index in indices]):
        seen[list(set(ids))] += 1
    idf = torch.log(1 + (len(indices) - seen + 0.5) / (seen + 0.5))
    return idf / idf.mean()


def train_step(
    model: CrossEncoder,
    tokenizer: EncoderTokenizer,
    lists: Sequence[PairList],
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
) -> float:
    """One update; returns the loss."""
    rows = [row for item in lists for row in item.rows]
    batch = tokenizer.pad(rows, [start for item in lists for start in item.passage_starts])
    logits = model(batch.token_ids, batch.token_types, batch.lengths).view(len(lists), -1)
    loss = reranker_loss(logits, binary_share=recipe.binary_share)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    optimizer.step()
    return loss.item()


def freeze(model: CrossEncoder, layers: int) -> None:
    """Keep word and position vectors, and the lowest blocks with all that feeds them: cheaper steps."""
    encoder = model.encoder
    frozen: list[torch.nn.Module] = [encoder.words, encoder.positions, *list(encoder.blocks)[:layers]]
    frozen += [encoder.types, encoder.norm] if layers else []
    for module in frozen:
        module.requires_grad_(False)


class Trainer:
    """The loop and its state; `run` continues from a checkpoint where there is one."""

    def __init__(
        self, corpus: Corpus, model: CrossEncoder, tokenizer: EncoderTokenizer, recipe: Recipe, work: Path
    ) -> None:
        self.corpus, self.model, self.tokenizer, self.recipe = corpus, model, tokenizer, recipe
        self.checkpoint = work / "checkpoint.pt"
        self.best = work / "best.pt"
        freeze(model, recipe.frozen_layers)
        self.optimizer = adamw(model)
        self.budget = Budget(recipe.minutes * 60, recipe.steps)
        self.progress = Progress()
        self.monitor = candidate_lists(
            corpus,
            tokenizer,
            "dev",
            questions=recipe.monitor_questions,
            candidates=_MONITOR_CANDIDATES,
            seed=recipe.seed,
        )

    def run(self) -> Progress:
        """Train until the budget is used; the model ends with the weights that ranked best."""
        self._resume()
        if self.progress.step == 0:
            self._evaluate()
        batches = self._batches()
        watch = Stopwatch(self.progress.elapsed_s)
        next_evaluation = self.budget.used(self.progress.step, watch.elapsed_s) + self.recipe.evaluate_every
        while (used := self.budget.used(self.progress.step, watch.elapsed_s)) < 1.0:
            set_learning_rate(self.optimizer, learning_rate(used, self.recipe.peak_rate))
            self._step(next(batches), watch)
            if self.budget.used(self.progress.step, watch.elapsed_s) >= min(next_evaluation, 1.0):
                next_evaluation += self.recipe.evaluate_every
                self._evaluate()
                watch = Stopwatch(self.progress.elapsed_s)
        if self.best.is_file():
            self.model.load_state_dict(torch.load(self.best, weights_only=True))
        return self.progress

    def _batches(self) -> Iterator[list[PairList]]:
        """The stream of batches, wound on to where a resumed run stopped."""
        maker = ListMaker(self.corpus, self.tokenizer, list_size=self.recipe.list_size)
        stream = maker.batches(
            self.corpus.questions_of("train"),
            random.Random(self.recipe.seed),
            max_pair_tokens=self.recipe.max_pair_tokens,
            batch_tokens=self.recipe.batch_tokens,
        )
        for _ in range(self.progress.step):
            next(stream)
        return stream

    def _step(self, lists: Sequence[PairList], watch: Stopwatch) -> None:
        progress = self.progress
        progress.losses.append(train_step(self.model, self.tokenizer, lists, self.optimizer, self.recipe))
        progress.step += 1
        progress.pairs += len(lists) * self.recipe.list_size
        progress.elapsed_s = watch.elapsed_s
        if progress.step % 10 == 0:
            used = self.budget.used(progress.step, progress.elapsed_s)
            recent = sum(progress.losses[-10:]) / 10
            left_s = progress.elapsed_s * (1 - used) / max(used, 1e-9)
            rate = progress.pairs / progress.elapsed_s
            log.info("step %d  loss %.4f  %.1f pairs/s  %.0f s left", progress.step, recent, rate, left_s)

    def _evaluate(self) -> None:
        """Rank the monitored development questions, keep the best weights, write a checkpoint."""
        features = list_features(
            self.model, self.tokenizer, self.corpus, self.monitor, max_tokens=_MONITOR_TOKENS
        )
        quality = ranking_quality(self.monitor, list_logits(self.model, features, self.monitor))
        log.info("step %d  development %s", self.progress.step, quality)
        if quality["ndcg@10_after"] > self.progress.best:
            self.progress.best = quality["ndcg@10_after"]
            save_atomically(self.model.state_dict(), self.best)
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": dataclasses.asdict(self.progress),
            "recipe": dataclasses.asdict(self.recipe),
        }
        save_atomically(state, self.checkpoint)

    def _resume(self) -> None:
        if not self.checkpoint.is_file():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        if state["recipe"] != dataclasses.asdict(self.recipe):
            raise ValueError(f"{self.checkpoint} belongs to another recipe; remove it to start again")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        log.info("resumed at step %d", self.progress.step)


def save_atomically(state: Any, path: Path) -> None:
    """torch.save into a file that appears whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def build_model(encoder_folder: Path, corpus: Corpus, tokenizer: EncoderTokenizer) -> CrossEncoder:
    """A cross-encoder on the published encoder, with token rarity counted on the training passages."""
    model = CrossEncoder(load_encoder(encoder_folder))
    model.head.rarity.copy_(rarity(corpus, tokenizer, model.config.vocab_size))
    return model
