"""The verifier: does a passage support a claim, contradict it, or neither?

A MiniLM body reads claim and passage together. Three helps make it useful after minutes of training on a CPU:
marks of the words that both sides share, added to the token vectors (`model.overlap`); a head that looks at
the claim's tokens one by one, because one unsupported word is enough to refuse a claim (late interaction,
Khattab and Zaharia, 2020; max pooling over token evidence); and weights that start from the reranker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import EncoderConfig
from model.cross_encoder import best_match_cosine, sides
from model.encoder import Encoder
from model.overlap import MARKS, SHARES, compare
from model.tokenizer import EncoderTokenizer, TokenBatch, fit_pair

VerdictName = Literal["supported", "contradicted", "not_supported"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)
_VIEWS = len(SHARES) + 3  # scalar views that the head weighs besides the vectors


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """[CLS] claim [SEP] passage [SEP] as tokens, with the marks of what both sides share."""

    ids: list[int]
    marks: list[int]  # 0..2 * MARKS - 1 a token; the passage's are shifted by MARKS
    passage_start: int
    shares: tuple[float, ...]  # in the order of `SHARES`
    claim_spans: tuple[tuple[int, int], ...]  # characters of the claim behind tokens 1, 2, ...


@dataclass(frozen=True, slots=True)
class ClaimBatch:
    """Rows padded on the right to the longest."""

    tokens: TokenBatch
    marks: Tensor  # int64 [B, T]
    shares: Tensor  # float32 [B, len(SHARES)]

    def to(self, device: torch.device) -> ClaimBatch:
        """The same batch on `device`."""
        return ClaimBatch(self.tokens.to(device), self.marks.to(device), self.shares.to(device))


def make_rows(
    tokenizer: EncoderTokenizer, pairs: Sequence[tuple[str, str]], max_tokens: int
) -> list[ClaimRow]:
    """Rows of (claim, passage) pairs; a pair longer than `max_tokens` is cut at its longer side."""
    claims = tokenizer.encode_with_spans([claim for claim, _ in pairs])
    passages = tokenizer.encode_with_spans([passage for _, passage in pairs])
    return [
        _row(tokenizer, pair, claim, passage, max_tokens)
        for pair, claim, passage in zip(pairs, claims, passages, strict=True)
    ]


_Encoded = tuple[list[int], list[tuple[int, int]]]  # ids and character spans of a text's tokens


def _row(
    tokenizer: EncoderTokenizer, pair: tuple[str, str], claim: _Encoded, passage: _Encoded, max_tokens: int
) -> ClaimRow:
    overlap = compare(*pair)
    ours, theirs = fit_pair(len(claim[0]), len(passage[0]), max_tokens - 3)
    row, start = tokenizer.pair(claim[0], passage[0], max_tokens)
    marks = [0, *_token_marks(overlap.claim, claim[1][:ours]), 0]
    marks += [MARKS + mark for mark in (*_token_marks(overlap.passage, passage[1][:theirs]), 0)]
    return ClaimRow(row, marks, start, overlap.shares, tuple(claim[1][:ours]))


def _token_marks(marks: bytes, spans: Sequence[tuple[int, int]]) -> list[int]:
    """The mark of the character that each token starts with."""
    return [marks[start] if start < len(marks) else 0 for start, _ in spans]


def pad_rows(tokenizer: EncoderTokenizer, rows: Sequence[ClaimRow]) -> ClaimBatch:
    """Stack rows into a batch."""
    tokens = tokenizer.pad([row.ids for row in rows], [row.passage_start for row in rows])
    width = tokens.token_ids.shape[1]
    marks = torch.tensor([[*row.marks, *[0] * (width - len(row.marks))] for row in rows], dtype=torch.int64)
    return ClaimBatch(tokens, marks, torch.tensor([row.shares for row in rows], dtype=torch.float32))


class VerdictHead(nn.Module):
    """Token vectors of a pair to logits of the three verdicts and of each token lacking support, in fp32."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(3 * config.width, config.width)
        self.out = nn.Linear(config.width, len(VERDICTS))
        self.mix = nn.Linear(_VIEWS, len(VERDICTS))
        self.lacks = nn.Linear(config.width, 1)  # of one claim token
        for zero in (self.out, self.mix, self.lacks):
            nn.init.zeros_(zero.weight)
            nn.init.zeros_(zero.bias)

    def forward(
        self, hidden: Tensor, claim: Tensor, passage: Tensor, shares: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B, T, C], boolean sides [B, T] and shares -> verdict logits [B, 3], token logits [B, T]."""
        hidden = hidden.float()
        weights = claim / claim.sum(1, keepdim=True).clamp(min=1)
        lacks = self.lacks(hidden).squeeze(-1)
        low = torch.finfo(torch.float32).min
        mean = (hidden * weights[..., None]).sum(1)
        peak = hidden.masked_fill(~claim[..., None], low).amax(1).clamp(min=-1e4)
        worst = lacks.masked_fill(~claim, low).amax(1).clamp(min=-30.0)
        match = best_match_cosine(hidden, weights, passage)
        views = torch.cat([shares, torch.stack([worst, (lacks * weights).sum(1), match], -1)], -1)
        vectors = torch.cat([hidden[:, 0], mean, peak], -1)
        logits: Tensor = self.out(F.gelu(self.hidden(vectors))) + self.mix(views)
        return logits, lacks


class VerifierNetwork(nn.Module):
    """An encoder whose upper blocks also see the marks, under the verdict head.

    The lowest `frozen_layers` blocks and all embeddings stay those of the packaged encoder: they are not
    stored again, and training needs no gradient below the marks.
    """

    def __init__(self, encoder: Encoder, frozen_layers: int) -> None:
        super().__init__()
        self.config = encoder.config
        self.frozen_layers = frozen_layers
        self.encoder = encoder
        self.marks = nn.Embedding(2 * MARKS, encoder.config.width)
        nn.init.zeros_(self.marks.weight)
        self.head = VerdictHead(encoder.config)

    def forward(self, batch: ClaimBatch) -> tuple[Tensor, Tensor]:
        """Verdict logits fp32 [B, 3] in the order of `VERDICTS`; logits [B, T] of tokens lacking support."""
        tokens = batch.tokens
        x = self.encoder.embed(tokens.token_ids, tokens.token_types)
        mask = self.encoder.mask(tokens.lengths, tokens.token_ids.shape[1])
        for block in self.encoder.blocks[: self.frozen_layers]:
            x = block(x, mask, self.encoder.attention)
        x = x + self.marks(batch.marks).to(x.dtype)
        for block in self.encoder.blocks[self.frozen_layers :]:
            x = block(x, mask, self.encoder.attention)
        with torch.autocast(x.device.type, enabled=False):  # close verdicts must keep their order
            logits, lacks = self.head(x, *sides(tokens.token_types, tokens.lengths), batch.shares)
        return logits, lacks

    def frozen(self) -> list[nn.Module]:
        """The parts that are the packaged encoder's, never trained."""
        encoder = self.encoder
        blocks = list(encoder.blocks)[: self.frozen_layers]
        return [encoder.words, encoder.positions, encoder.types, encoder.norm, *blocks]
