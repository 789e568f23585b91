"""A tied embedding whose rows are read from the head's codes, so that the largest matrix is kept once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.native.packing import PANEL, PackedMatrix


class PackedEmbedding(nn.Module):
    """Rows of a packed matrix [V, C] in the compute type; Gemma's published table has 8 bits as well."""

    def __init__(self, packed: PackedMatrix, dtype: torch.dtype) -> None:
        super().__init__()
        self._packed, self._dtype = packed, dtype

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [B, T] to [B, T, C]."""
        panels, lanes = tokens // PANEL, tokens % PANEL
        codes = self._packed.codes[panels, :, :, lanes].float() - 128  # [B, T, C / 32, 8, 4]
        scales = self._packed.scales[panels, :, lanes].float()  # [B, T, C / 32]
        return (codes * scales[..., None, None]).flatten(-3).to(self._dtype)
