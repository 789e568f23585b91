"""How well the verifier tells supported claims from the rest."""

from __future__ import annotations

from collections.abc import Sequence

from app.evals.metrics import Interval, balanced_accuracy, calibration_error, mean_interval
from app.evals.records import ClaimRecord
from app.evals.types import Label, Progress, VerdictFn


def evaluate_claims(
    records: Sequence[ClaimRecord], verdict_fn: VerdictFn, progress: Progress
) -> dict[str, Interval]:
    """Judge every claim against its passages.

    Balanced accuracy and calibration take a claim as supported or not; `accuracy_3` is over the three labels.
    """
    verdicts: list[tuple[Label, float]] = []
    for done, record in enumerate(records, start=1):
        verdicts.append(verdict_fn(record.claim, record.passages))
        progress("claims", done, len(records))
    supported = [record.label == "supported" for record in records]
    return {
        "balanced_accuracy": balanced_accuracy([label == "supported" for label, _ in verdicts], supported),
        "accuracy_3": mean_interval(
            [float(label == record.label) for (label, _), record in zip(verdicts, records, strict=True)]
        ),
        "calibration_error": calibration_error([score for _, score in verdicts], supported),
    }
