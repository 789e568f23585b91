"""The result card next to trained weights: `card.json` for programs, `README.md` and a curve for people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.registry import RERANKER_FILE, sha256_of
from model.train.curve import loss_curve
from model.train.loop import Progress
from model.train.options import machine
from model.train.trainer import Recipe

LICENCE = "CC-BY-SA-4.0"  # of the strictest training sets (SQuAD, Natural Questions paragraphs)

_README = """# Built-in reranker

A MiniLM cross-encoder (6 layers, width 384): reads question and passage together and gives the
probability that the passage answers. It orders search results and decides whether there is evidence
enough to answer.

- Initialised from `{initialised_from}`; licence of these weights: {licence}.
- Made by `{command}` in {minutes} minutes on {machine}: {steps} steps, {pairs} pairs.
- Question sets: SQuAD 1.1 (13 articles), QED / Natural Questions, SelQA, FairytaleQA, COVID-QA,
  MedQuAD, and sentences that look for the passages they were taken from; negatives are those of BM25, and
  with `mined_negatives` the encoder's. Whole documents were held out for `dev` (stopping and calibration)
  and `test`.

| documents | questions | nDCG@10, BM25 | nDCG@10, reranked | refused: answer present | answer absent |
|---|---|---|---|---|---|
{rows}

Candidates are the {candidates} best BM25 passages of at most 200 tokens; the gate columns compare the best
score among them with 0.5. The head's four weights and the calibration were fitted on `dev`: read `test`.

![loss and development nDCG@10](curve.svg)

`card.json` holds the recipe and the checksums of data and weights.
"""


def write_card(
    out: Path,
    data_sha256: Mapping[str, str],
    command: str,
    recipe: Recipe,
    progress: Progress,
    results: dict[str, Any],
    encoder_name: str,
) -> None:
    """Write the three files into `out`; `results` maps a split to its measured figures."""
    card = {
        "model": "footnote-reranker",
        "licence": LICENCE,
        "initialised_from": encoder_name,
        "command": command,
        "machine": machine(),
        "minutes": round(progress.elapsed_s / 60, 1),
        "steps": progress.step,
        "pairs": progress.pairs,
        "recipe": dataclasses.asdict(recipe),
        "data_sha256": data_sha256,
        "weights_sha256": sha256_of(out / RERANKER_FILE),
        "results": results,
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    curve = loss_curve(progress.losses, progress.qualities, quality_name="development nDCG@10")
    (out / "curve.svg").write_text(curve, encoding="utf-8")
    rows = "\n".join(_row(split, results[split]) for split in ("dev", "test"))
    text = _README.format(rows=rows, candidates=recipe.candidates, **card)
    (out / "README.md").write_text(text, encoding="utf-8")


def _row(split: str, figures: dict[str, float]) -> str:
    shown = ("ndcg@10_before", "ndcg@10_after", "refused_when_answerable", "refused_when_unanswerable")
    return f"| {split} | {figures['n']:.0f} | " + " | ".join(f"{figures[key]:.3f}" for key in shown) + " |"
