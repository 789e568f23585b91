"""A decoder's weights in 8 bits behind the native step: prompts and new tokens alike."""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn

from model.config import DecoderConfig
from model.decoder import Block, Decoder
from model.forward_pass import Interrupt
from model.kv_cache import BLOCK_TOKENS, CachedSequence, CacheStep, KVCache
from model.layers import RMSNorm, inverse_frequencies
from model.native.decoder_pass import CRow, NativePass
from model.native.embedding import PackedEmbedding
from model.native.library import NativeUnavailable, load_library
from model.native.packing import GROUP, CMatrix, PackedMatrix, fits, pack
from model.scores import Estimate, Scores

log = logging.getLogger(__name__)

Decode = Literal["auto", "native", "plain"]
_ELEMENTS = (torch.float32, torch.bfloat16, torch.int8)  # of a cache, as step.h numbers them


class _CLayer(ctypes.Structure):
    _fields_ = (
        *((name, CMatrix) for name in ("qkv", "output", "gate_up", "down")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "attention_norm",
                "mlp_norm",
                "after_attention",
                "after_mlp",
                "query_norm",
                "key_norm",
                "frequencies",
            )
        ),
        ("window", ctypes.c_int64),
    )


class _CModel(ctypes.Structure):
    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("layers", "width", "heads", "key_heads", "head_width", "mlp_width", "silu")
        ),
        ("epsilon", ctypes.c_float),
        ("scale", ctypes.c_float),
        ("layer", ctypes.c_void_p),
        ("final_norm", ctypes.c_void_p),
    )


class _CCache(ctypes.Structure):
    _fields_ = (
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("key_scales", ctypes.c_void_p),
        ("value_scales", ctypes.c_void_p),
        ("blocks", ctypes.c_int64),
        ("element", ctypes.c_int64),
    )


class NativeDecoder:
    """Hidden states and logits of new tokens, from weights in 8 bits.

    Weights and activations are rounded in groups of 64, everything between the
    products is float32, attention multiplies bfloat16 where the cache holds it. The weights are copied once;
    the decoder that they come from stays as it is.
    """

    def __init__(self, decoder: Decoder, folder: Path) -> None:
        """`folder` keeps the built library. Raises NativeUnavailable, with the reason."""
        _check(decoder)
        self._library = load_library(folder)
        self._decoder = decoder  # for its embedding
        self._kept: list[object] = []  # tensors and matrices that native pointers lead to
        self._width, self.config = decoder.config.width, decoder.config
        self.dtype = decoder.embedding.weight.dtype  # of keys and values
        self._frequencies: dict[bool, int] = {}  # layers that turn alike share them, which saves cosines
        layers = [self._layer(cast(Block, block)) for block in decoder.blocks]
        self._layers = (_CLayer * len(layers))(*layers)
        self._model = self._c_model(decoder)
        head = decoder.embedding.weight if decoder.head is None else decoder.head.weight
        self.head, self.coarse_head = pack(head), pack(head, bits=4)
        self._c_head, self._c_coarse_head = self.head.c(), self.coarse_head.c()
        self._team = ctypes.c_void_p(self._library.footnote_team(ctypes.c_int64(torch.get_num_threads())))
        weakref.finalize(self, self._library.footnote_end, self._team)

    @property
    def bytes(self) -> int:
        """Weights that one step reads, but for the few scores that are computed again."""
        return self.coarse_head.bytes + sum(
            each.bytes for each in self._kept if isinstance(each, PackedMatrix)
        )

    def hidden(self, tokens: Sequence[int], step: CacheStep, *, is_prompt: bool = False) -> Tensor:
        """Final normed states float32 [N, C] of new tokens [N], sequence by sequence.

        `is_prompt`, for one sequence, packs what its tokens see; a token's state then does not depend on how
        the prompt is cut into calls.
        """
        whole = self.begin(tokens, step, is_prompt=is_prompt)
        whole.run()
        return whole.states

    @torch.inference_mode()
    def begin(self, tokens: Sequence[int], step: CacheStep, *, is_prompt: bool) -> NativePass:
        """What `hidden` computes, for a caller who may have to stop it."""
        states = self._decoder.embed(torch.tensor([tokens]))[0].float()
        return NativePass(self, states.contiguous(), step, is_prompt=is_prompt)

    def layers(
        self,
        step: CacheStep,
        rows: Sequence[CRow],
        states: Tensor,
        *,
        first: int,
        is_prompt: bool,
        interrupt: Interrupt | None,
    ) -> int:
        """Layers from `first` on of states [rows, C], in place; returns the layer that comes next."""
        reached: int = self._library.footnote_hidden(
            self._team,
            ctypes.byref(self._model),
            ctypes.byref(_c_cache(step.cache)),
            (CRow * len(rows))(*rows),
            ctypes.c_int64(len(rows)),
            ctypes.c_int64(is_prompt),
            ctypes.c_int64(first),
            ctypes.c_void_p(None if interrupt is None else interrupt.address),
            _address(states),
        )
        return reached

    def read_apart(self, tokens: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Keys and values [layers, T, K, D] of a text of its own."""
        cache = KVCache(self.config, len(tokens), dtype=self.dtype, device=torch.device("cpu"))
        sequence: CachedSequence = cache.open()
        self.hidden(tokens, cache.step([sequence], [len(tokens)]), is_prompt=True)
        return cache.read(sequence, 0)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token scores float32 [..., V] of states [..., C]."""
        x = hidden.float().reshape(-1, self._width).contiguous()
        scores = x.new_empty(len(x), self._c_head.outputs)
        self._library.footnote_scores(
            self._team, ctypes.byref(self._c_head), ctypes.c_int64(len(x)), _address(x), _address(scores)
        )
        return scores.view(*hidden.shape[:-1], -1)

    @torch.inference_mode()
    def best_scores(self, hidden: Tensor) -> Scores:
        """Next-token scores of states [N, C]: the highest as `logits` has them, the others from 4 bits."""
        x = hidden.float().contiguous()
        scores, floors = x.new_empty(len(x), self._c_head.outputs), x.new_empty(len(x))
        best, log_sums = torch.empty(len(x), dtype=torch.long), x.new_empty(len(x))
        self._library.footnote_best_scores(
            self._team,
            ctypes.byref(self._c_head),
            ctypes.byref(self._c_coarse_head),
            ctypes.c_int64(len(x)),
            _address(x),
            _address(scores),
            _address(floors),
            _address(best),
            _address(log_sums),
        )
        return Scores(scores, Estimate(floors, best, log_sums, lambda row: self.logits(x[row])))

    def _layer(self, block: Block) -> _CLayer:
        attention, norms = block.attention, block.attention.qk_norm
        return _CLayer(
            *map(self._matrix, (attention.qkv, attention.output, block.mlp.gate_up, block.mlp.down)),
            self._pointer(block.attention_norm.weight),
            self._pointer(block.mlp_norm.weight),
            self._norm_pointer(block.after_attention),
            self._norm_pointer(block.after_mlp),
            None if norms is None else self._pointer(norms.weight[0]),
            None if norms is None else self._pointer(norms.weight[1]),
            self._frequencies_of(attention.layer),
            attention.window or 0,
        )

    def _frequencies_of(self, layer: int) -> int:
        windowed = self.config.windows[layer] is not None
        if windowed not in self._frequencies:
            rotary = self.config.rotary_of(layer)
            self._frequencies[windowed] = self._pointer(inverse_frequencies(rotary, self.config.head_width))
        return self._frequencies[windowed]

    def _c_model(self, decoder: Decoder) -> _CModel:
        config = decoder.config
        return _CModel(
            config.layers,
            config.width,
            config.heads,
            config.key_value_heads,
            config.head_width,
            config.mlp_width,
            config.activation == "silu",
            config.norm_epsilon,
            config.attention_scale,
            ctypes.addressof(self._layers),
            self._pointer(decoder.norm.weight),
        )

    def _matrix(self, linear: nn.Linear) -> CMatrix:
        packed = pack(linear.weight, linear.bias)
        self._kept.append(packed)
        return packed.c()

    def _norm_pointer(self, norm: nn.Module) -> int | None:
        return self._pointer(norm.weight) if isinstance(norm, RMSNorm) else None

    def _pointer(self, values: Tensor) -> int:
        kept = values.detach().float().contiguous()
        self._kept.append(kept)
        return kept.data_ptr()


def _address(values: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.data_ptr())


def _c_cache(cache: KVCache) -> _CCache:
    keys, values = cache.keys, cache.values
    return _CCache(
        keys.codes.data_ptr(),
        values.codes.data_ptr(),
        None if keys.scales is None else keys.scales.data_ptr(),
        None if values.scales is None else values.scales.data_ptr(),
        keys.codes.shape[1],
        _ELEMENTS.index(keys.codes.dtype),
    )


def _check(decoder: Decoder) -> None:
    """Raise NativeUnavailable for shapes and places that the native step does not know."""
    config: DecoderConfig = decoder.config
    if decoder.embedding.weight.device.type != "cpu":
        raise NativeUnavailable("the decoder is not on the CPU")
    if config.head_width % GROUP or config.mlp_width % GROUP or config.width % GROUP:
        raise NativeUnavailable(f"widths of {config} do not divide by {GROUP}")
    linears: Sequence[nn.Linear | nn.Embedding] = [
        each for each in decoder.modules() if isinstance(each, nn.Linear)
    ]
    if not all(fits(*each.weight.shape) for each in (*linears, decoder.embedding)):
        raise NativeUnavailable("a matrix does not divide into panels of 16 outputs and 64 inputs")
    if BLOCK_TOKENS != 64:
        raise NativeUnavailable("the native step is written for cache blocks of 64 tokens")


class HeldByNative(nn.Module):
    """Stands where a linear layer was whose weights only the native step still holds."""

    def forward(self, _x: Tensor) -> Tensor:
        """Raises RuntimeError: what is computed must go through the native step."""
        raise RuntimeError("this layer's weights are held by the native step")


def native_decoder(decoder: Decoder, folder: Path, decode: Decode) -> NativeDecoder | None:
    """The native steps of a decoder, or None for plain torch.

    `auto` says in the log why there are none; `native` raises NativeUnavailable. The decoder gives up its
    own matrices then, so that each is kept once: the native steps compute hidden states and logits, and the
    head's codes serve as the embedding.
    """
    if decode == "plain":
        return None
    try:
        native = NativeDecoder(decoder, folder)
    except NativeUnavailable as reason:
        if decode == "native":
            raise
        log.warning("answers are computed by plain torch: %s", reason)
        return None
    for parent in list(decoder.blocks.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, HeldByNative())
    if decoder.head is None:
        packed = PackedEmbedding(native.head, decoder.embedding.weight.dtype)
        decoder.embedding = cast(nn.Embedding, packed)  # its weight is not asked for any more
    else:
        decoder.head = cast(nn.Linear, HeldByNative())
    return native
