"""Which query sees which key: one description that every attention implementation reads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AttentionMask:
    """Visibility rule: the key at index s has position s, and a query at position p sees it iff
    s < key_length, and (not causal or s <= p), and (window is None or p - s < window), and allowed[p, s]."""

    causal: bool = False  # no query sees a later position
    window: int | None = None  # positions a query looks back over, its own included
    query_start: Tensor | None = None  # int64 [B]: position of query row 0; None means 0
    key_lengths: Tensor | None = None  # int64 [B]: keys at index >= length are padding; None means none are
    allowed: Tensor | None = None  # boolean [B or 1, 1, T, S] for other rules; needs query_start None

    def query_positions(self, rows: int, device: torch.device) -> Tensor:
        """Positions of `rows` consecutive query rows: int64 [B or 1, T]."""
        positions = torch.arange(rows, device=device)[None]
        return positions if self.query_start is None else positions + self.query_start[:, None]

    def visible(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """Boolean [B or 1, 1, T, S], True where the query sees the key; None when every query sees every key.

        query_positions int64 [B or 1, T], key_positions int64 [S]: any part of the rows and keys, so that
        tiles are masked by the same rule as whole matrices.
        """
        p, s = query_positions[:, None, :, None], key_positions
        rules = []
        if self.causal:
            rules.append(s <= p)
        if self.window is not None:
            rules.append(p - s < self.window)
        if self.key_lengths is not None:
            rules.append(s < self.key_lengths[:, None, None, None])
        if self.allowed is not None:
            rules.append(self.allowed[..., query_positions[0], :][..., s])
        if not rules:
            return None
        seen = rules[0]
        for rule in rules[1:]:
            seen = seen & rule
        return seen
