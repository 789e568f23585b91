"""Texts to unit vectors, in batches without padding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from model.device import DType, choose_device, choose_dtype
from model.encoder import Encoder, load_encoder
from model.native.encoder import PLAIN, NativeChoice, NativeEncoder, tiled_encoder
from model.packed_encoder import BATCH_TOKENS, PackedEncoder
from model.packed_tokens import PackedTokens
from model.registry import resolve_encoder
from model.tokenizer import EncoderTokenizer, token_budget_batches


class Embedder:
    """Mean-pooled, L2-normalised sentence vectors (Reimers and Gurevych, 2019)."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: EncoderTokenizer,
        *,
        identity: str,
        max_tokens: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        native: NativeEncoder | None = None,
    ) -> None:
        self._encoder = PackedEncoder(encoder, device, dtype, native)
        self._tokenizer = tokenizer
        self._device = device
        self.id = identity
        self.max_tokens = max_tokens
        self.dimension = encoder.config.width

    @classmethod
    def load(
        cls, name: str, *, device: str = "auto", dtype: DType = "float32", native: NativeChoice = PLAIN
    ) -> Embedder:
        """The encoder called `name` (see `resolve_encoder`, whose errors it raises).

        `native` says whether the processor's matrix unit may compute its blocks in bfloat16.
        """
        card, place = resolve_encoder(name), choose_device(device)
        encoder, chosen = load_encoder(card.path), choose_dtype(dtype, place)
        return cls(
            encoder,
            EncoderTokenizer.load(card.path / "tokenizer.json"),
            identity=card.id,
            max_tokens=_max_tokens(card.path),
            device=place,
            dtype=chosen,
            native=tiled_encoder(encoder, place, chosen, native),
        )

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors float32 [B, C] in the order of `texts`; each text is cut at `max_tokens`."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        rows = [self._tokenizer.single(ids, self.max_tokens) for ids in self._tokenizer.encode(texts)]
        for batch in token_budget_batches([len(row) for row in rows], BATCH_TOKENS):
            vectors[batch] = self._encode_rows([rows[index] for index in batch])
        return vectors

    @torch.inference_mode()
    def _encode_rows(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        tokens = PackedTokens.pack(self._tokenizer.pad(rows)).to(self._device)
        pooled = tokens.means(self._encoder(tokens))
        result: NDArray[np.float32] = F.normalize(pooled, dim=-1).cpu().numpy()
        return result

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character span of each token of `text`: no special tokens, no truncation."""
        return self._tokenizer.spans(text)


def _max_tokens(folder: Path) -> int:
    """Longest input, special tokens included, as the checkpoint was published with."""
    path = folder / "sentence_bert_config.json"
    if not path.is_file():
        return 256
    return int(json.loads(path.read_text("utf-8"))["max_seq_length"])
