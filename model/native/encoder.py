"""An encoder's blocks in 8 bits behind the native step: for cross-encoders, whose scores bear rounding."""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from model.encoder import Block, Encoder, scaled_queries
from model.native.decoder import Decode
from model.native.library import NativeUnavailable, has_tiles, load_library
from model.native.packing import GROUP, CMatrix, PackedMatrix, StripMatrix, fits, in_strips, pack

log = logging.getLogger(__name__)

_HEAD_COLUMNS = 32  # a head's width divides by it, for pairs of bfloat16


class _CLayer(ctypes.Structure):
    _fields_ = (
        *((name, CMatrix) for name in ("qkv", "attention_out", "mlp_in", "mlp_out")),
        *(
            (name, ctypes.c_void_p)
            for name in ("attention_weight", "attention_bias", "mlp_weight", "mlp_bias")
        ),
    )


class _CModel(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("width", "heads", "mlp_width", "in_pairs")),
        ("epsilon", ctypes.c_float),
        ("layer", ctypes.c_void_p),
    )


class NativeEncoder:
    """The blocks of an encoder over packed texts.

    Where the processor has a matrix unit (AMX), products are in bfloat16 and token vectors as good as plain
    torch's in that type. Elsewhere weights and activations are rounded to 8 bits in groups of 64: enough for
    a head that weighs a whole pair, too little where vectors are compared with each other.
    """

    def __init__(self, encoder: Encoder, folder: Path, *, tiles: bool | None = None) -> None:
        """`folder` keeps the built library; `tiles`: by the matrix unit, None where there is one.

        Raises NativeUnavailable, with the reason.
        """
        _check(encoder)
        self._library = load_library(folder)
        if tiles and not has_tiles(self._library):
            raise NativeUnavailable("the processor has no matrix unit (AMX)")
        self._tiles = has_tiles(self._library) if tiles is None else tiles
        self._kept: list[PackedMatrix | StripMatrix | Tensor] = []  # what native pointers lead to
        layers = [self._layer(cast(Block, block)) for block in encoder.blocks]
        self._layers = (_CLayer * len(layers))(*layers)
        config = encoder.config
        self._model = _CModel(
            config.width,
            config.heads,
            config.mlp_width,
            self._tiles,
            config.norm_epsilon,
            ctypes.addressof(self._layers),
        )
        self._team = ctypes.c_void_p(self._library.footnote_team(ctypes.c_int64(torch.get_num_threads())))
        weakref.finalize(self, self._library.footnote_end, self._team)

    @torch.inference_mode()
    def run(self, x: Tensor, sizes: Sequence[int], blocks: slice = slice(None)) -> Tensor:
        """Token vectors [N, C] of texts of these lengths through some of the blocks: float32 [N, C]."""
        out = x.float().clone(memory_format=torch.contiguous_format)
        first, last, _ = blocks.indices(len(self._layers))
        done = self._library.footnote_encode(
            self._team,
            ctypes.byref(self._model),
            ctypes.c_int64(first),
            ctypes.c_int64(last),
            ctypes.c_int64(len(sizes)),
            (ctypes.c_int64 * len(sizes))(*sizes),
            ctypes.c_void_p(out.data_ptr()),
        )
        if not done:
            raise RuntimeError("the library was built for a processor without these instructions")
        return out

    def _layer(self, block: Block) -> _CLayer:
        heads, packed = block.heads, in_strips if self._tiles else pack
        qkv = packed(scaled_queries(block.qkv.weight, heads), scaled_queries(block.qkv.bias, heads))
        others = (
            packed(each.weight, each.bias) for each in (block.attention_out, block.mlp_in, block.mlp_out)
        )
        matrices = (qkv, *others)
        self._kept += matrices
        norms = (block.attention_norm, block.mlp_norm)
        return _CLayer(
            *(matrix.c() for matrix in matrices),
            *(self._pointer(end) for norm in norms for end in (norm.weight, norm.bias)),
        )

    def _pointer(self, values: Tensor) -> int:
        kept = values.detach().float().contiguous()
        self._kept.append(kept)
        return kept.data_ptr()


def _check(encoder: Encoder) -> None:
    """Raise NativeUnavailable for shapes and processors that the native step does not know."""
    config = encoder.config
    if not torch.cpu.get_capabilities().get("avx512_bf16"):
        raise NativeUnavailable("the processor has no avx512_bf16")
    if (config.width // config.heads) % _HEAD_COLUMNS or config.mlp_width % GROUP:
        raise NativeUnavailable(f"widths of {config} do not divide by {_HEAD_COLUMNS}")
    linears = [each for each in encoder.blocks.modules() if isinstance(each, nn.Linear)]
    if not all(fits(*each.weight.shape) and each.out_features % GROUP == 0 for each in linears):
        raise NativeUnavailable("a matrix does not divide into strips of 64 outputs and 64 inputs")


@dataclass(frozen=True, slots=True)
class NativeChoice:
    """Who computes: `native` blocks, `plain` torch, or `auto`: native where this machine can."""

    decode: Decode
    folder: Path  # where the library is built


PLAIN = NativeChoice("plain", Path())


def native_encoder(encoder: Encoder, device: torch.device, choice: NativeChoice) -> NativeEncoder | None:
    """The native blocks of an encoder, or None for plain torch.

    `auto` says in the log why there are none; `native` raises NativeUnavailable.
    """
    if choice.decode == "plain":
        return None
    try:
        if device.type != "cpu":
            raise NativeUnavailable(f"the encoder is on {device.type}")
        return NativeEncoder(encoder, choice.folder)
    except NativeUnavailable as reason:
        if choice.decode == "native":
            raise
        log.warning("pairs are scored by plain torch: %s", reason)
        return None


def tiled_encoder(
    encoder: Encoder, device: torch.device, dtype: torch.dtype, choice: NativeChoice
) -> NativeEncoder | None:
    """The native blocks by the matrix unit for vectors that are compared, which 8 bits would blur.

    None for plain torch: where that was chosen, where there is no such unit, and in fp32.
    """
    if choice.decode == "plain" or device.type != "cpu" or dtype != torch.bfloat16:
        return None
    try:
        return NativeEncoder(encoder, choice.folder, tiles=True)
    except NativeUnavailable as reason:
        log.info("texts are embedded by plain torch: %s", reason)
        return None
