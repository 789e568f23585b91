"""Losses of the cross-encoder: which passage of a list is right, and how sure each score may be."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def listwise_loss(logits: Tensor) -> Tensor:
    """Softmax cross-entropy of logits [B lists, P passages] whose first column is the positive.

    ListNet's top-one loss (Cao et al., 2007) with one relevant passage.
    """
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64, device=logits.device))


def binary_loss(logits: Tensor) -> Tensor:
    """Cross-entropy of each pair of [B, P] alone, positives weighing as much as all negatives of a list.

    It ties the scale of scores across questions, which ranking inside one list leaves free.
    """
    targets = torch.zeros_like(logits)
    targets[:, 0] = 1.0
    weights = torch.where(targets > 0, float(logits.shape[1] - 1), 1.0)
    return F.binary_cross_entropy_with_logits(logits, targets, weight=weights / weights.mean())


def reranker_loss(logits: Tensor, *, binary_share: float = 0.5) -> Tensor:
    """Weighted sum of both terms for logits [B, P]."""
    return listwise_loss(logits) + binary_share * binary_loss(logits)
