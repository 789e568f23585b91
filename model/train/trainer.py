"""How the cross-encoder is trained: its recipe, its batches, its update and its measure inside the loop."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.cross_encoder import CrossEncoder
from model.encoder import load_encoder
from model.tokenizer import EncoderTokenizer
from model.train.data import Corpus, ListMaker, PairList
from model.train.evaluate import candidate_lists, list_features, list_logits, ranking_quality
from model.train.loop import Loop, Origin
from model.train.losses import reranker_loss
from model.train.optimisation import adamw

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
    mined_negatives: int = 8  # that the encoder finds for each question, besides those of BM25; 0: none
    cloze_questions: int = 12_000  # sentences looking for the passages they were taken from; 0: none
    frozen_layers: int = 2  # lowest blocks kept as they are
    evaluate_every: float = 0.34  # of the budget
    monitor_questions: int = 24  # of the development split, at each evaluation
    calibration_questions: int = 100
    test_questions: int = 100
    candidates: int = 24  # retrieved passages a question, as in the product
    max_tokens: int = 256  # longest row in use


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
    device = model.head.rarity.device
    batch = tokenizer.pad(rows, [start for item in lists for start in item.passage_starts]).to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        logits = model(batch.token_ids, batch.token_types, batch.lengths).view(len(lists), -1)
    loss = reranker_loss(logits.float(), binary_share=recipe.binary_share)
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


class Trainer(Loop[list[PairList]]):
    """The reranker's loop: lists of one question's passages, judged by how well they are ranked."""

    def __init__(
        self,
        corpus: Corpus,
        model: CrossEncoder,
        tokenizer: EncoderTokenizer,
        recipe: Recipe,
        work: Path,
        origin: Origin,
    ) -> None:
        freeze(model, recipe.frozen_layers)
        super().__init__(model, adamw(model), recipe, work, origin)
        self.corpus, self.model, self.tokenizer, self.recipe = corpus, model, tokenizer, recipe
        self.monitor = candidate_lists(
            corpus,
            tokenizer,
            "dev",
            questions=recipe.monitor_questions,
            candidates=_MONITOR_CANDIDATES,
            seed=recipe.seed,
        )

    def batches(self, chance: random.Random) -> Iterator[list[PairList]]:
        """Lists of the training questions."""
        maker = ListMaker(self.corpus, self.tokenizer, list_size=self.recipe.list_size)
        return maker.batches(
            self.corpus.questions_of("train"),
            chance,
            max_pair_tokens=self.recipe.max_pair_tokens,
            batch_tokens=self.recipe.batch_tokens,
        )

    def update(self, batch: list[PairList]) -> tuple[float, int]:
        """One step of the ranking loss."""
        loss = train_step(self.model, self.tokenizer, batch, self.optimizer, self.recipe)
        return loss, len(batch) * self.recipe.list_size

    def quality(self) -> float:
        """nDCG@10 of the monitored development questions."""
        features = list_features(
            self.model, self.tokenizer, self.corpus, self.monitor, max_tokens=_MONITOR_TOKENS
        )
        quality = ranking_quality(self.monitor, list_logits(self.model, features, self.monitor))
        log.info("step %d  development %s", self.progress.step, quality)
        return quality["ndcg@10_after"]


def build_model(encoder_folder: Path, corpus: Corpus, tokenizer: EncoderTokenizer) -> CrossEncoder:
    """A cross-encoder on the published encoder, with token rarity counted on the training passages."""
    model = CrossEncoder(load_encoder(encoder_folder))
    model.head.rarity.copy_(rarity(corpus, tokenizer, model.config.vocab_size))
    return model
