"""The answerer's result card: `card.json` for programs, `README.md` and a loss curve for people."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.registry import ANSWERER_FILE, ModelCard, sha256_of
from model.train.answers import mix
from model.train.card import LICENCE
from model.train.curve import loss_curve
from model.train.loop import Progress
from model.train.options import machine

_README = """# Built-in answerer

A LoRA adapter (rank {rank}, on every linear layer) for {base_id}: from numbered passages and a question to a
short answer with the passages' markers, or `[0]` where they do not say. It also writes full-sentence answers,
standalone questions from follow-ups, and questions that a passage answers; each has its own words in the
prompt template, which the file carries.

- Licence of these weights: {licence}; the decoder's own terms (Gemma) apply to what it is merged into.
- Made by `{command}` in {minutes} minutes on {machine}: {steps} steps, {pairs} answers.
  With `--base` it is a mean of the adapter it went on from (its share is in `card.json`) and the end.
- Questions: SQuAD 1.1 (13 articles), QED / Natural Questions, FairytaleQA, COVID-QA, SelQA (sentences),
  JaQuAD (Japanese), PubMedQA (yes, no, maybe), ExpertQA (long cited answers), passages about invented things
  made by rule, and yes and no asked by rule of the first two.
- Contexts: 1 to 10 passages that retrieval confuses, the right one at any place or absent; each context
  under the causal or the block mask; some passages dirty, some with planted instructions.
- Whole documents were held out for `dev` (stopping and calibration) and `test`; {near_duplicates_dropped}
  near-duplicates of theirs were dropped from training. Development loss {development_loss:.3f}.
"""
_OWN_README = """# Answerer of one's own questions

A LoRA adapter (rank {rank}, on every linear layer) for {base_id}, trained to answer from numbered
passages with their markers, or `[0]` where they do not say.

- Licence of these weights: {licence}; the decoder's own terms apply to what it is merged into.
- Made by `{command}` in {minutes} minutes on {machine}: {steps} steps, {pairs} answers.
  With `--base` it is a mean of the adapter it went on from (its share is in `card.json`) and the end.
- Questions: those of one file; follow-ups and questions about invented things, made by rule.
- Documents were held out for `dev` (stopping and calibration) and `test`, by the title of the passage that
  answers; repeated text was not looked for. Development loss {development_loss:.3f}.
"""
_FIGURES = """
| split | questions: answered by the passages, not | refused: answered by the passages | not |
|---|---|---|---|
{rows}

Refusals here are read off the first token; `footnote eval answers` measures answers as the product writes
them.

![loss and development loss](curve.svg)

`card.json` has the recipe and all checksums.
"""


def write_answerer_card(
    out: Path,
    data_sha256: Mapping[str, str],
    command: str,
    base: ModelCard,
    recipe: Any,
    progress: Progress,
    results: dict[str, Any],
    went_on_from_sha256: str | None,
    *,
    own_data: bool,
) -> None:
    """Write the three files into `out`; `results` holds the figures of `dev` and `test`.

    `went_on_from_sha256` is the file's of the adapter that training started from, if there was one;
    `own_data` says that it was on a file of a user's questions, not on the recipe's folder.
    """
    sets = mix.SET_WEIGHTS | {mix.STORIES: recipe.story_weight}
    card = {
        "model": "footnote-answerer",
        "licence": _licence(went_on_from_sha256) if own_data else LICENCE,
        "base_id": base.id,
        "base_sha256": base.sha256,
        "command": command,
        "machine": machine(),
        "minutes": round(progress.elapsed_s / 60, 1),
        "steps": progress.step,
        "pairs": progress.pairs,
        "recipe": dataclasses.asdict(recipe),
        "mix": {"kinds": mix.KINDS} if own_data else {"sets": sets, "kinds": mix.KINDS},
        "data_sha256": data_sha256,
        "weights_sha256": sha256_of(out / ANSWERER_FILE),
        "went_on_from_sha256": went_on_from_sha256,
        "results": results,
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    curve = loss_curve(progress.losses, progress.qualities, quality_name="negative development loss")
    (out / "curve.svg").write_text(curve, encoding="utf-8")
    shown = {key: results[key] for key in ("near_duplicates_dropped", "development_loss")}
    rows = "\n".join(_row(split, results[split]) for split in ("dev", "test"))
    readme = (_OWN_README if own_data else _README) + _FIGURES
    text = readme.format(rows=rows, rank=recipe.rank, **shown, **card)
    (out / "README.md").write_text(text, encoding="utf-8")


def _licence(went_on_from_sha256: str | None) -> str:
    own = "that of the questions and their passages"
    return own if went_on_from_sha256 is None else f"{own}, and of the adapter it went on from"


def _row(split: str, figures: dict[str, float | None]) -> str:
    rates = (figures["refused_when_answerable"], figures["refused_when_unanswerable"])
    shown = " | ".join("-" if rate is None else f"{rate:.3f}" for rate in rates)
    return f"| {split} | {figures['n_answerable']}, {figures['n_unanswerable']} | {shown} |"
