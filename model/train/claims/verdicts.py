"""What a verifier is worth on held-out claims, and the calibration that makes 0.5 its best decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.overlap import compare
from model.tokenizer import EncoderTokenizer, token_budget_batches
from model.train.claims.data import SUPPORTED, Example
from model.verifier import VERDICTS, VerifierNetwork, make_rows, pad_rows
from model.verifier_file import VerdictCalibration

_BATCH_TOKENS = 4096
_BINS = 10


@torch.inference_mode()
def verdict_logits(
    model: VerifierNetwork,
    tokenizer: EncoderTokenizer,
    examples: Sequence[Example],
    max_tokens: int,
    *,
    autocast: bool = False,
) -> Tensor:
    """Logits fp32 [examples, 3]."""
    rows = make_rows(tokenizer, [(example.claim, example.passage) for example in examples], max_tokens)
    device = model.marks.weight.device
    logits = torch.zeros(len(rows), len(VERDICTS))
    for batch in token_budget_batches([len(row.ids) for row in rows], _BATCH_TOKENS):
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            logits[batch] = model(pad_rows(tokenizer, [rows[i] for i in batch]).to(device))[0].cpu()
    return logits


def labels_of(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Class of every example."""
    return np.array([example.label for example in examples], dtype=np.int64)


def balanced_accuracy(supported: NDArray[np.bool_], labels: NDArray[np.int64]) -> float:
    """Mean of the shares of supported and of other claims that were told right; 0.5 is chance."""
    truth = labels == SUPPORTED
    shares = [(supported == truth)[truth == side].mean() for side in (True, False) if (truth == side).any()]
    return float(np.mean(shares))


def macro_f1(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Mean F1 over the three verdicts that occur."""
    scores = []
    for verdict in range(len(VERDICTS)):
        hits = ((predicted == verdict) & (labels == verdict)).sum()
        either = (predicted == verdict).sum() + (labels == verdict).sum()
        if either:
            scores.append(2 * hits / either)
    return float(np.mean(scores))


def decided(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Supported from one half on, else the likelier of the other two: int64 [N]."""
    others = 1 + probabilities[:, 1:].argmax(1)
    return np.where(probabilities[:, SUPPORTED] >= 0.5, SUPPORTED, others)


def reliability(
    probabilities: NDArray[np.float64], truth: NDArray[np.bool_]
) -> list[tuple[float, float, int]]:
    """(mean probability, share that is true, count) of every tenth of the scale that holds a claim."""
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    return [
        (float(probabilities[bins == at].mean()), float(truth[bins == at].mean()), int((bins == at).sum()))
        for at in range(_BINS)
        if (bins == at).any()
    ]


def expected_calibration_error(bins: Sequence[tuple[float, float, int]]) -> float:
    """Mean gap between probability and truth, weighed by count (Naeini et al., 2015)."""
    total = sum(count for *_, count in bins)
    return sum(abs(said - true) * count for said, true, count in bins) / total


def figures(
    calibration: VerdictCalibration, logits: Tensor, examples: Sequence[Example]
) -> dict[str, object]:
    """Everything the card reports of a split."""
    probabilities = calibration.probabilities(logits).double().numpy()
    labels, predicted = labels_of(examples), decided(probabilities)
    sources = np.array([example.source for example in examples])
    bins = reliability(probabilities[:, SUPPORTED], labels == SUPPORTED)
    return {
        "n": len(examples),
        "balanced_accuracy": balanced_accuracy(predicted == SUPPORTED, labels),
        "macro_f1": macro_f1(predicted, labels),
        "ece": expected_calibration_error(bins),
        "reliability": bins,
        "by_source": {
            str(name): {
                "n": int((sources == name).sum()),
                "balanced_accuracy": balanced_accuracy(
                    predicted[sources == name] == SUPPORTED, labels[sources == name]
                ),
                "macro_f1": macro_f1(predicted[sources == name], labels[sources == name]),
            }
            for name in sorted(set(sources))
        },
    }


def fit_shares(model: VerifierNetwork, examples: Sequence[Example]) -> None:
    """Start the head from a logistic regression on the overlap shares alone.

    The shares are worth 0.70 balanced accuracy by themselves, but need weights that a short run at the
    network's learning rate would not reach.
    """
    shares = torch.tensor([compare(example.claim, example.passage).shares for example in examples])
    labels = torch.from_numpy(labels_of(examples))
    weights = torch.zeros(shares.shape[1] + 1, len(VERDICTS), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = shares @ weights[:-1] + weights[-1]
        loss = F.cross_entropy(logits, labels) + 1e-3 * weights.square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        model.head.mix.weight[:, : shares.shape[1]] = weights[:-1].T
        model.head.mix.bias.copy_(weights[-1])


def fit_calibration(logits: Tensor, examples: Sequence[Example]) -> VerdictCalibration:
    """Temperature and offsets by likelihood, supported claims weighing as much as all others together.

    Then the offset of "supported" moves to where 0.5 divides the development claims best.
    """
    labels = torch.from_numpy(labels_of(examples))
    supported = (labels == SUPPORTED).double()
    weights = supported / supported.sum().clamp(min=1) + (1 - supported) / (1 - supported).sum().clamp(min=1)
    values = torch.tensor([0.0, 0.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)  # log slope, offsets
    optimizer = torch.optim.LBFGS([values], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        scaled = logits.double() * values[0].exp() + values[1:]
        losses = F.cross_entropy(scaled, labels, reduction="none") * weights
        loss = losses.sum() + 1e-3 * values.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    slope, first, second, third = values.detach().tolist()
    fitted = VerdictCalibration(1 / max(float(np.exp(slope)), 1e-3), (first, second, third))
    return _at_its_best(fitted, logits, examples)


def _at_its_best(
    calibration: VerdictCalibration, logits: Tensor, examples: Sequence[Example]
) -> VerdictCalibration:
    """The offset whose neighbourhood, not only itself, gives the best balanced accuracy."""
    probabilities = calibration.probabilities(logits).double().numpy().clip(1e-9, 1 - 1e-9)[:, SUPPORTED]
    odds, labels = np.log(probabilities / (1 - probabilities)), labels_of(examples)
    shifts = np.linspace(-1.5, 1.5, 61)
    scores = np.array([balanced_accuracy(odds + shift >= 0, labels) for shift in shifts])
    smooth = np.convolve(np.pad(scores, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    best = float(shifts[smooth.argmax()])
    return replace(calibration, bias=(calibration.bias[0] + best, *calibration.bias[1:]))
