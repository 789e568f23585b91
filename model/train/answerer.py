"""Train the answerer: `python -m model.train.answerer --data DATA/train --out FOLDER --minutes 70`.

A LoRA adapter on the packaged decoder learns to answer from numbered passages with their markers, or to say
that they do not. Data, packs, training, calibration, card; a second call on the same folder resumes an
interrupted run.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.adapter_file import AnswererInfo, save_answerer
from model.answerer import Answerer
from model.decoder import Decoder
from model.decoder_tokenizer import DecoderTokenizer
from model.device import choose_device, choose_dtype, has_native_bfloat16
from model.load_decoder import load_decoder
from model.lora import add_lora, lora_tensors
from model.prompt_template import PromptTemplate
from model.registry import ANSWERER_FILE, GEMMA_PACKAGE, ModelCard, resolve_decoder
from model.train.answers.card import write_answerer_card
from model.train.answers.data import FILES, AnswerData, load_answers
from model.train.answers.japanese import add_japanese
from model.train.answers.mix import (
    JAPANESE_SHARE,
    MAX_PACK_TOKENS,
    SET_WEIGHTS,
    STORIES,
    UNANSWERABLE_SHARE,
    PackMaker,
)
from model.train.answers.packing import Pack, PackedPast, lay_out
from model.train.answers.refusals import fit_bias, refusal_margins, refusal_rates
from model.train.answers.rows import load_rows
from model.train.data import Split, checksums
from model.train.loop import Loop, Origin
from model.train.options import begin, command_line, run_options

log = logging.getLogger("model.train.answerer")


@dataclass(frozen=True)
class AnswererRecipe:
    """What the run does; stored in the card."""

    minutes: float = 70.0  # of training, evaluation left out
    steps: int | None = None  # instead of minutes, for runs that must repeat exactly
    seed: int = 7
    first_factors_seed: int = 7  # runs that share it end in nearly one subspace: they merge without loss
    rank: int = 32
    alpha: float = 64.0
    answers_a_step: int = 16  # packs are added until their questions are as many
    row_tokens: int = 1  # padded, of one call, at least a pack: more where calls are what costs
    pack_tokens: int = MAX_PACK_TOKENS  # longest pack; ten passages want about 2,400
    japanese_share: float = JAPANESE_SHARE  # of contexts
    unanswerable_share: float = UNANSWERABLE_SHARE  # of questions, most of them near misses
    story_weight: float = SET_WEIGHTS[STORIES]  # how often a question about a story starts a context
    dropout: float = 0.05  # of what the adapters read
    peak_rate: float = 3e-4
    clip_norm: float = 1.0
    evaluate_every: float = 0.12  # of the budget
    monitor_packs: int = 24  # of the development split, at each evaluation
    calibration_packs: int = 80  # of the development split, and of the test split for the report
    base_share: float = 0.3  # of the adapter gone on from, in the result; see docs/models.md
    max_false_refusals: float = 0.08  # of answerable questions, which the refusal bias may cost


class Adapters(nn.Module):
    """The trained factors alone, so that checkpoints leave the frozen decoder out."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.factors = nn.ParameterDict({name.replace(".", "/"): factor for name, factor in tensors.items()})


def packs_loss(decoder: Decoder, packs: Sequence[Pack]) -> tuple[Tensor, Tensor]:
    """Weighted loss of the tokens of all branches, and the logits [M, V] behind it."""
    rows = lay_out(packs, decoder.embedding.weight.device)
    hidden = decoder.hidden(rows.tokens, PackedPast(rows, decoder.config))
    logits = decoder.logits(hidden.flatten(0, 1)[rows.predictors])
    losses = F.cross_entropy(logits, rows.targets, reduction="none")
    return (losses * rows.weights).sum(), logits


def in_rows(packs: Sequence[Pack], row_tokens: int) -> list[list[Pack]]:
    """The packs, longest first, as many a call as fit into `row_tokens`: neighbours in length share one."""
    rows: list[list[Pack]] = []
    for pack in sorted(packs, key=lambda pack: pack.tokens, reverse=True):
        if rows and (len(rows[-1]) + 1) * rows[-1][0].tokens <= row_tokens:
            rows[-1].append(pack)
        else:
            rows.append([pack])
    return rows


class AnswererTrainer(Loop[list[Pack]]):
    """The answerer's loop: packs of questions on common contexts, judged by their loss on held-out ones."""

    def __init__(
        self,
        decoder: Decoder,
        training: PackMaker,
        held_out: PackMaker,
        recipe: AnswererRecipe,
        work: Path,
        origin: Origin,
    ) -> None:
        torch.manual_seed(recipe.first_factors_seed)
        add_lora(decoder, rank=recipe.rank, alpha=recipe.alpha, dropout=recipe.dropout)
        self.adapters = Adapters(lora_tensors(decoder))
        factors = list(self.adapters.parameters())
        optimizer = torch.optim.AdamW(
            [{"params": factors, "scale": 1.0}], betas=(0.9, 0.98), weight_decay=0.0
        )
        super().__init__(self.adapters, optimizer, recipe, work, origin)
        self.decoder, self.training, self.recipe = decoder, training, recipe
        self.monitor = list(islice(held_out.packs(random.Random(recipe.seed + 1)), recipe.monitor_packs))

    @torch.no_grad()
    def start_from(self, tensors: Mapping[str, Tensor]) -> None:
        """Begin with the factors of a trained adapter of the same rank and alpha."""
        for name, factor in lora_tensors(self.decoder).items():
            factor.copy_(tensors[name])

    @torch.no_grad()
    def mix_with(self, tensors: Mapping[str, Tensor]) -> None:
        """Move the factors back towards those they started from (WiSE-FT, Wortsman et al., 2022)."""
        for name, factor in lora_tensors(self.decoder).items():
            factor.lerp_(tensors[name].to(factor.device), self.recipe.base_share)

    def batches(self, chance: random.Random) -> Iterator[list[Pack]]:
        """Packs with at least `answers_a_step` questions together."""
        stream = self.training.packs(chance)
        while True:
            packs: list[Pack] = []
            while sum(len(pack.branches) for pack in packs) < self.recipe.answers_a_step:
                packs.append(next(stream))
            yield packs

    def update(self, batch: list[Pack]) -> tuple[float, int]:
        """One step on the mean loss of the batch's answers, one call after another."""
        torch.manual_seed(self.recipe.seed + self.progress.step)  # a resumed run drops what it would have
        self.decoder.train()
        answers = sum(len(pack.branches) for pack in batch)
        total = torch.zeros((), device=self.device)
        for packs in in_rows(batch, self.recipe.row_tokens):
            loss = packs_loss(self.decoder, packs)[0] / answers
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(self.adapters.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total.item(), answers

    @torch.no_grad()
    def quality(self) -> float:
        """The negative loss of the monitored development packs."""
        self.decoder.eval()
        packs = in_rows(self.monitor, self.recipe.row_tokens)
        total = sum(packs_loss(self.decoder, each)[0].item() for each in packs)
        loss = total / sum(len(pack.branches) for pack in self.monitor)
        log.info("step %d  development loss %.4f", self.progress.step, loss)
        return -loss


def _load(data: Path, split: Split) -> AnswerData:
    """A folder with the recipe's files, or a file of a user's own questions."""
    if not data.is_dir():
        return load_rows(data, split)
    loaded = load_answers(data, split)
    if split == "train":
        add_japanese(loaded, data)
    return loaded


def _files(data: Path) -> list[Path]:
    """What `_load` reads."""
    return [data / name for name in FILES] if data.is_dir() else [data]


def load_base(name: str, models_folder: Path) -> tuple[ModelCard, Decoder, DecoderTokenizer]:
    """The decoder to adapt, in bfloat16 where the device computes in it."""
    card = resolve_decoder(name, models_folder)
    device = choose_device("auto")
    dtype = choose_dtype("bfloat16" if has_native_bfloat16(device) else "float32", device)
    # Under these masks torch's fused kernel is slower on a CPU; on a GPU the two were not compared.
    decoder, tokenizer = load_decoder(card, dtype=dtype, device=device, implementation="dense")
    return card, decoder, tokenizer


def pack_maker(
    data: AnswerData,
    tokenizer: DecoderTokenizer,
    template: PromptTemplate,
    recipe: AnswererRecipe | None = None,
) -> PackMaker:
    """Packs of one split in the decoder's tokens."""
    recipe = recipe or AnswererRecipe()

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, begin=False)

    return PackMaker(
        data,
        template,
        encode,
        tokenizer.special.begin,
        min(tokenizer.special.end),
        max_tokens=recipe.pack_tokens,
        japanese_share=recipe.japanese_share,
        unanswerable_share=recipe.unanswerable_share,
        set_weights=SET_WEIGHTS | {STORIES: recipe.story_weight},
    )


def train(
    data: Path,
    out: Path,
    recipe: AnswererRecipe,
    command: str,
    models_folder: Path,
    decoder_name: str = GEMMA_PACKAGE,
    base: str | None = None,
) -> dict[str, Any]:
    """The whole recipe: leaves weights and card in `out`; returns the measured figures.

    `base` names the answerer to go on from; rank and alpha are then its own. Raises ValueError for data
    without a document to hold out.
    """
    splits = {split: _load(data, split) for split in get_args(Split)}
    for split, each in splits.items():
        if not each.items:
            raise ValueError(f"{data} holds no question for the {split} split: more documents are needed")
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    card, decoder, tokenizer = load_base(decoder_name, models_folder)
    data_sha256 = checksums(_files(data))
    origin = {**data_sha256, "decoder": card.sha256}
    base_answerer = None if base is None else Answerer.load(base, card)
    if base_answerer is not None:
        origin["base"] = base_answerer.sha256
        recipe = replace(recipe, rank=base_answerer.info.rank, alpha=base_answerer.info.alpha)
    template = PromptTemplate()
    makers = {split: pack_maker(each, tokenizer, template, recipe) for split, each in splits.items()}
    trainer = AnswererTrainer(decoder, makers["train"], makers["dev"], recipe, work, origin)
    if base_answerer is not None:
        trainer.start_from(base_answerer.tensors)
    progress = trainer.run()
    if base_answerer is not None:
        trainer.mix_with(base_answerer.tensors)

    refusal = tokenizer.encode(f" {template.no_answer}", begin=False)
    dev, test = (
        refusal_margins(decoder, makers[split], refusal, packs=recipe.calibration_packs, seed=recipe.seed + 2)
        for split in ("dev", "test")
    )
    bias = fit_bias(dev, recipe.max_false_refusals)
    info = AnswererInfo(template, card.sha256, tokenizer.id, recipe.rank, recipe.alpha, bias)
    save_answerer(out / ANSWERER_FILE, lora_tensors(decoder), info)
    results = {
        "dev": refusal_rates(dev, bias),
        "test": refusal_rates(test, bias),
        "no_answer_bias": bias,
        "development_loss": -trainer.quality(),  # of what is saved: a mean where there is a base
        "near_duplicates_dropped": splits["train"].removed_chunks,
    }
    log.info("measured; %s", results)
    base_sha256, own_data = origin.get("base"), not data.is_dir()
    write_answerer_card(
        out, data_sha256, command, card, recipe, progress, results, base_sha256, own_data=own_data
    )
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.answerer", description=__doc__)
    run_options(parser, AnswererRecipe(), "folder with the training files, or JSON lines of your own")
    parser.add_argument("--decoder", default=GEMMA_PACKAGE, help="decoder to adapt")
    parser.add_argument("--base", help="answerer to go on from: `builtin` or a folder; none: from nothing")
    parser.add_argument("--models", type=Path, default=Path("data/models"), help="where the base is unpacked")
    chosen = parser.parse_args(arguments)
    if chosen.base is not None and any(each.startswith(("rank=", "alpha=")) for each in chosen.set):
        raise ValueError("rank and alpha are those of --base: leave them out, or begin from nothing")
    recipe = begin(chosen, AnswererRecipe())
    others = [] if chosen.decoder == GEMMA_PACKAGE else [f"--decoder {chosen.decoder}"]
    others += [] if chosen.base is None else [f"--base {chosen.base}"]
    command = command_line("model.train.answerer", chosen, *others)
    train(chosen.data, chosen.out, recipe, command, chosen.models, chosen.decoder, chosen.base)


if __name__ == "__main__":
    main()
