"""How willing the answerer is to refuse: the margin of a refusal's first token, and the bias that sets it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from model.decoder import Decoder
from model.train.answers.mix import PackMaker
from model.train.answers.packing import PackedPast, lay_out


@dataclass(frozen=True, slots=True)
class RefusalMargins:
    """By how much the refusal's first token leads all others; a refusal is written where it is above 0."""

    answerable: NDArray[np.float64]
    unanswerable: NDArray[np.float64]


@torch.inference_mode()
def refusal_margins(
    decoder: Decoder, maker: PackMaker, refusal: Sequence[int], *, packs: int, seed: int
) -> RefusalMargins:
    """Margins of the questions of some packs of documents; `refusal` are the tokens of a refusal.

    The decoder is left in evaluation mode.
    """
    decoder.eval()  # a finished run that is calibrated again comes here without an evaluation before
    answerable: list[float] = []
    unanswerable: list[float] = []
    chance = random.Random(seed)
    for pack in islice((maker.documents(chance) for _ in range(packs)), packs):
        row = lay_out([pack], decoder.embedding.weight.device)
        hidden = decoder.hidden(row.tokens, PackedPast(row, decoder.config))
        lengths = [len(branch.target) for branch in pack.branches]
        starts = row.predictors[np.cumsum([0, *lengths[:-1]])]
        logits = decoder.logits(hidden[0, starts])
        margins = logits[:, refusal[0]] - _without(logits, refusal[0]).amax(-1)
        for branch, margin in zip(pack.branches, margins.tolist(), strict=True):
            if not branch.asks:
                refused = branch.target[: len(refusal)] == list(refusal)
                (unanswerable if refused else answerable).append(margin)
    return RefusalMargins(np.array(answerable), np.array(unanswerable))


def _without(logits: torch.Tensor, token: int) -> torch.Tensor:
    return logits.index_fill(-1, torch.tensor([token], device=logits.device), -torch.inf)


def fit_bias(margins: RefusalMargins, max_false_refusals: float) -> float:
    """The largest bias under which no more than that share of answerable questions is refused."""
    if not len(margins.answerable):
        return 0.0
    return float(-np.quantile(margins.answerable, 1 - max_false_refusals, method="higher"))


def refusal_rates(margins: RefusalMargins, bias: float) -> dict[str, float | None]:
    """Shares refused at the first token: of answerable questions and of others; None of no question."""
    return {
        "refused_when_answerable": _share(margins.answerable + bias > 0),
        "refused_when_unanswerable": _share(margins.unanswerable + bias > 0),
        "n_answerable": len(margins.answerable),
        "n_unanswerable": len(margins.unanswerable),
    }


def _share(hits: NDArray[np.bool_]) -> float | None:
    return float(hits.mean()) if len(hits) else None
