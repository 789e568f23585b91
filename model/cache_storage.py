"""Where cached keys, or values, lie: as computed, or in 8 bits with a scale for every group of 32 numbers.

In 8 bits a group is codes from -127 to 127 times its largest magnitude over 127, which is kept in bfloat16: a
head of 256 takes 272 bytes, 512 in bfloat16. Whoever reads gets the compute type; the native step reads the
codes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 127  # the largest code
GROUP = 32  # numbers with a scale; a head of another width is one group


@dataclass(frozen=True, slots=True)
class CacheStorage:
    """All layers and blocks; slot numbers run through the blocks of a layer."""

    codes: Tensor  # [layers, blocks, block tokens, K, D], in `dtype` or int8
    scales: (
        Tensor | None
    )  # bfloat16 [layers, blocks, block tokens, K, D / GROUP]; None: the codes are the values
    dtype: torch.dtype  # of what is read

    @classmethod
    def empty(
        cls,
        shape: tuple[int, int, int, int, int],
        *,
        dtype: torch.dtype,
        device: torch.device,
        in_8_bits: bool,
    ) -> CacheStorage:
        """Uninitialised memory costs nothing until a block is used; `clear` zeroes it then."""
        if not in_8_bits:
            return cls(torch.empty(shape, dtype=dtype, device=device), None, dtype)
        codes = torch.empty(shape, dtype=torch.int8, device=device)
        groups = (*shape[:-1], shape[-1] // _group(shape[-1]))
        return cls(codes, torch.empty(groups, dtype=torch.bfloat16, device=device), dtype)

    @property
    def bytes_per_token(self) -> int:
        """Storage one token takes over all layers."""
        layers, _, _, heads, width = self.codes.shape
        scales_bytes = 0 if self.scales is None else 2 * self.scales.shape[-1]
        return layers * heads * (width * self.codes.element_size() + scales_bytes)

    def clear(self, block: int) -> None:
        """Zero a block: slots that a mask hides are still multiplied by zero, which NaN would survive."""
        for part in self._parts():
            part[:, block] = 0

    def copy(self, block: int, to: int) -> None:
        """Copy a block."""
        for part in self._parts():
            part[:, to] = part[:, block]

    def write(self, layer: int, slots: Tensor, new: Tensor) -> None:
        """Store vectors [N, K, D] of one layer in slots int64 [N]."""
        if self.scales is None:
            self.codes[layer].flatten(0, 1)[slots] = new
            return
        codes, scales = to_8_bits(new)
        self.codes[layer].flatten(0, 1)[slots] = codes
        self.scales[layer].flatten(0, 1)[slots] = scales

    def write_all(self, slots: Tensor, new: Tensor) -> None:
        """Store vectors [layers, N, K, D] in slots int64 [N] of every layer."""
        for layer, each in enumerate(new):
            self.write(layer, slots, each)

    def read(self, layer: int, blocks: slice | Tensor) -> Tensor:
        """Blocks of a layer [..., block tokens, K, D]; of a slice a view, unless they are in 8 bits."""
        codes = self.codes[layer][blocks]
        return codes if self.scales is None else self._whole(codes, self.scales[layer][blocks])

    def read_all(self, slots: Tensor) -> Tensor:
        """Copies of the vectors in slots int64 [N] of every layer: [layers, N, K, D]."""
        codes = self.codes.flatten(1, 2)[:, slots]
        return codes if self.scales is None else self._whole(codes, self.scales.flatten(1, 2)[:, slots])

    def _whole(self, codes: Tensor, scales: Tensor) -> Tensor:
        groups = codes.view(*scales.shape, codes.shape[-1] // scales.shape[-1])
        return (groups * scales.float()[..., None]).flatten(-2).to(self.dtype)

    def _parts(self) -> list[Tensor]:
        return [self.codes] if self.scales is None else [self.codes, self.scales]


def to_8_bits(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Codes int8 [..., D] and scales bfloat16 [..., groups] of vectors [..., D]; zeros have the scale 0."""
    size = _group(vectors.shape[-1])
    groups = vectors.float().view(*vectors.shape[:-1], vectors.shape[-1] // size, size)
    scales = (groups.abs().amax(dim=-1) / MOST).bfloat16()
    codes = groups / scales.float().clamp_min(torch.finfo(torch.float32).tiny)[..., None]
    return codes.round().clamp(-MOST, MOST).to(torch.int8).flatten(-2), scales


def _group(width: int) -> int:
    return GROUP if width % GROUP == 0 else width
