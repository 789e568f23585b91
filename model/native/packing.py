"""Weights as codes of 8 or 4 bits in the order in which the native step reads them.

One scale for GROUP inputs of an output; PANEL outputs lie side by side, four inputs at a time, so that one
instruction multiplies 16 outputs by the same four inputs.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 64  # inputs that share a scale
PANEL = 16  # outputs side by side
STRIP = 32  # outputs side by side in bfloat16
PAIRED = 32  # inputs that the matrix unit takes at once in bfloat16
_QUAD = 4  # inputs in one 32-bit lane
_CHUNK_ROWS = 16_384  # bounds the float32 copy of a large matrix while it is packed


class CMatrix(ctypes.Structure):
    """`Matrix` of the native source."""

    _fields_ = (
        ("codes", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("outputs", ctypes.c_int64),
        ("inputs", ctypes.c_int64),
    )


@dataclass(frozen=True, slots=True)
class PackedMatrix:
    """A weight [N, K] in codes around a middle, and what one step of them is worth."""

    codes: (
        Tensor  # uint8 [N / 16, K / 64, 16 or 8, 16, 4]: four bytes of an output; two inputs a byte in 4 bits
    )
    scales: Tensor  # float16 [N / 16, K / 64, 16]
    bias: Tensor | None  # float32 [N]
    bits: int

    @property
    def bytes(self) -> int:
        """Memory that is read in every step."""
        return self.codes.nbytes + self.scales.nbytes

    def c(self) -> CMatrix:
        """For the native step; this object must outlive it."""
        panels, groups = self.codes.shape[:2]
        bias = None if self.bias is None else self.bias.data_ptr()
        return CMatrix(self.codes.data_ptr(), self.scales.data_ptr(), bias, panels * PANEL, groups * GROUP)

    def weight(self) -> Tensor:
        """The weight float32 [N, K] that the codes stand for."""
        panels, groups = self.codes.shape[:2]
        codes = self.codes
        if self.bits == 4:  # the low half of a byte belongs to the quad before the high half's
            codes = torch.stack((codes & 15, codes >> 4), dim=3).flatten(2, 3)
        middle = float(2 ** (self.bits - 1))
        values = (codes.float() - middle) * self.scales.float()[:, :, None, :, None]
        weight: Tensor = values.permute(0, 3, 1, 2, 4).reshape(panels * PANEL, groups * GROUP)
        return weight


@dataclass(frozen=True, slots=True)
class StripMatrix:
    """A weight [N, K] in bfloat16, as the matrix unit reads it."""

    pairs: Tensor  # bfloat16 [N / 32, K / 2, 32, 2]: two inputs of an output
    bias: Tensor | None  # float32 [N]

    def c(self) -> CMatrix:
        """For the native step; this object must outlive it."""
        strips, pairs = self.pairs.shape[:2]
        bias = None if self.bias is None else self.bias.data_ptr()
        return CMatrix(self.pairs.data_ptr(), None, bias, strips * STRIP, pairs * 2)


def in_strips(weight: Tensor, bias: Tensor | None = None) -> StripMatrix:
    """A weight [N, K] rounded to bfloat16; N divides by STRIP and K by PAIRED, else ValueError."""
    outputs, inputs = weight.shape
    if outputs % STRIP or inputs % PAIRED:
        raise ValueError(f"{tuple(weight.shape)} does not divide into {STRIP} outputs and {PAIRED} inputs")
    pairs = weight.detach().bfloat16().view(outputs // STRIP, STRIP, inputs // 2, 2).transpose(1, 2)
    return StripMatrix(pairs.contiguous(), None if bias is None else bias.detach().float().contiguous())


def fits(outputs: int, inputs: int) -> bool:
    """Whether a matrix of this shape can be packed."""
    return outputs % PANEL == 0 and inputs % GROUP == 0


def pack(weight: Tensor, bias: Tensor | None = None, *, bits: int = 8) -> PackedMatrix:
    """Round a weight [N, K] to codes of 8 or 4 bits; raises ValueError for a shape that does not divide."""
    if not fits(*weight.shape):
        raise ValueError(f"{tuple(weight.shape)} does not divide into {PANEL} outputs and {GROUP} inputs")
    parts = [_pack_rows(rows, bits) for rows in torch.split(weight.detach(), _CHUNK_ROWS)]
    codes, scales = (torch.cat(each) for each in zip(*parts, strict=True))
    return PackedMatrix(codes, scales, None if bias is None else bias.detach().float().contiguous(), bits)


def _pack_rows(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    rows, inputs = weight.shape
    highest = 2 ** (bits - 1) - 1
    grouped = weight.float().view(rows // PANEL, PANEL, inputs // GROUP, GROUP)
    # Rounded to fp16 first: codes are chosen for the scale that is stored. Tiny ones stay above zero.
    scales = (grouped.abs().amax(dim=-1) / highest).half().clamp(min=2**-24)
    codes = (grouped / scales.float()[..., None]).round_().clamp_(-highest, highest) + (highest + 1)
    quads = codes.to(torch.uint8).view(rows // PANEL, PANEL, inputs // GROUP, GROUP // _QUAD, _QUAD)
    ordered = quads.permute(0, 2, 3, 1, 4).contiguous()
    if bits == 4:
        ordered = ordered[:, :, 0::2] | (ordered[:, :, 1::2] << 4)
    return ordered, scales.transpose(1, 2).contiguous()
