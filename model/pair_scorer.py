"""(question, passage) pairs to calibrated probabilities of relevance, in batches without padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model.cross_encoder import CrossEncoder
from model.device import DType, choose_device, choose_dtype
from model.native.encoder import PLAIN, NativeChoice, NativeEncoder, native_encoder
from model.packed_encoder import BATCH_TOKENS, PackedEncoder
from model.packed_tokens import PackedTokens
from model.registry import RERANKER_FILE, resolve_reranker
from model.reranker_file import Calibration, load_reranker
from model.tokenizer import EncoderTokenizer, token_budget_batches


class PairScorer:
    """A trained cross-encoder with its calibration: 0.5 is an even bet that the passage answers."""

    def __init__(
        self,
        model: CrossEncoder,
        calibration: Calibration,
        tokenizer: EncoderTokenizer,
        *,
        identity: str,
        max_tokens: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        native: NativeEncoder | None = None,
    ) -> None:
        self._encoder = PackedEncoder(model.encoder, device, dtype, native)
        self._head = model.head.to(device).eval()  # stays in fp32: saturated scores must keep their order
        self._calibration = calibration
        self._tokenizer = tokenizer
        self._device = device
        self.id = identity
        self.max_tokens = max_tokens

    @classmethod
    def load(
        cls,
        name: str = "builtin",
        *,
        device: str = "auto",
        dtype: DType = "float32",
        native: NativeChoice = PLAIN,
    ) -> PairScorer:
        """The cross-encoder called `name`; raises what `resolve_reranker` and `load_reranker` raise.

        `native` says who computes its blocks; raises NativeUnavailable.
        """
        card, place = resolve_reranker(name), choose_device(device)
        tokenizer = EncoderTokenizer.load(card.path / "tokenizer.json")
        model, calibration, max_tokens = load_reranker(card.path / RERANKER_FILE, tokenizer.id)
        return cls(
            model,
            calibration,
            tokenizer,
            identity=card.id,
            max_tokens=max_tokens,
            device=place,
            dtype=choose_dtype(dtype, place),
            native=native_encoder(model.encoder, place, native),
        )

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probability that each passage answers its question, float32 [B] in 0..1, in the order of `pairs`.

        A pair longer than `max_tokens` is cut at its longer side, which is the passage's end.
        """
        rows, starts = self._rows(pairs)
        scores = np.zeros(len(rows), dtype=np.float32)
        for batch in token_budget_batches([len(row) for row in rows], BATCH_TOKENS):
            scores[batch] = self._score_rows([rows[i] for i in batch], [starts[i] for i in batch])
        return scores

    def _rows(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[list[int]], list[int]]:
        """Token rows and where their passages begin; a question asked of many passages is cut once."""
        distinct = list(dict.fromkeys(question for question, _ in pairs))
        questions = dict(zip(distinct, self._tokenizer.encode(distinct), strict=True))
        passages = self._tokenizer.encode([passage for _, passage in pairs])
        made = [
            self._tokenizer.pair(questions[question], passage, self.max_tokens)
            for (question, _), passage in zip(pairs, passages, strict=True)
        ]
        return [row for row, _ in made], [start for _, start in made]

    @torch.inference_mode()
    def _score_rows(self, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> NDArray[np.float32]:
        batch = self._tokenizer.pad(rows, starts)
        tokens = PackedTokens.pack(batch).to(self._device)
        hidden = tokens.unpack(self._encoder(tokens))  # the head compares the two sides of a pair
        logits = self._head(hidden, batch.to(self._device))
        probabilities: NDArray[np.float32] = self._calibration.probability(logits).cpu().numpy()
        return probabilities
