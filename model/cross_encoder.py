"""The cross-encoder: question and passage read together, one relevance logit out.

The score head weighs four views of the pair: what [CLS] says, the cosine of the two sides' mean vectors, the
mean over question tokens of the best match in the passage (late interaction, Khattab and Zaharia, 2020), and
how well the passage covers the question's words (BM25 inside a cross-encoder, Askari et al., 2023). The last
three mean something before the first training step, so a run of minutes on a CPU ends above retrieval.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import EncoderConfig
from model.encoder import Encoder
from model.tokenizer import TokenBatch

FEATURES = ("cls", "mean_cosine", "best_match", "coverage")
_FIRST_WEIGHTS = (1.0, 2.0, 18.0, 8.0)  # of the features, before training
_FIRST_BIAS = -18.0  # about what a good pair's weighted features sum to
_K1, _B = 1.2, 0.75  # BM25's constants
_TYPICAL_TOKENS = 160  # a passage that is neither long nor short


class ScoreHead(nn.Module):
    """Token vectors of a pair to one logit, in fp32."""

    rarity: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.hidden = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, 1)
        self.mix = nn.Linear(len(FEATURES), 1)
        # Inverse document frequency of each token, counted once on the training passages.
        self.register_buffer("rarity", torch.ones(config.vocab_size))
        self._reset()

    def _reset(self) -> None:
        """Start from the similarities alone; the [CLS] path begins at zero and is learned."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        nn.init.constant_(self.mix.bias, _FIRST_BIAS)
        with torch.no_grad():
            self.mix.weight.copy_(torch.tensor([_FIRST_WEIGHTS]))

    def forward(self, hidden: Tensor, tokens: TokenBatch) -> Tensor:
        """Token vectors [B, T, C] of the rows `tokens` -> logits [B]; vectors at padding change nothing."""
        logits: Tensor = self.mix(self.features(hidden, tokens)).squeeze(-1)
        return logits

    def features(self, hidden: Tensor, tokens: TokenBatch) -> Tensor:
        """[B, T, C] -> [B, 4] in the order of `FEATURES`."""
        hidden, token_ids = hidden.float(), tokens.token_ids
        question, passage = sides(tokens.token_types, tokens.lengths)
        weights = self.rarity[token_ids] * question
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        views = [
            self.out(torch.tanh(self.hidden(hidden[:, 0]))).squeeze(-1),
            mean_cosine(hidden, question, passage),
            best_match_cosine(hidden, weights, passage),
            coverage(token_ids, weights, passage),
        ]
        return torch.stack(views, dim=-1)


class CrossEncoder(nn.Module):
    """An encoder, told question from passage by token types, under a fresh score head."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.config = encoder.config
        self.encoder = encoder
        self.head = ScoreHead(encoder.config)

    def features(self, token_ids: Tensor, token_types: Tensor, lengths: Tensor) -> Tensor:
        """Features fp32 [B, 4] of rows [CLS] question [SEP] passage [SEP], int64 [B, T]."""
        hidden = self.encoder(token_ids, lengths, token_types)
        return self.head.features(hidden, TokenBatch(token_ids, token_types, lengths))

    def forward(self, token_ids: Tensor, token_types: Tensor, lengths: Tensor) -> Tensor:
        """Logits fp32 [B] of the same rows."""
        hidden = self.encoder(token_ids, lengths, token_types)
        logits: Tensor = self.head(hidden, TokenBatch(token_ids, token_types, lengths))
        return logits


def sides(token_types: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Which positions are question text and passage text: boolean [B, T] each, special tokens left out."""
    index = torch.arange(token_types.shape[1], device=token_types.device)
    passage = (token_types == 1) & (index < lengths[:, None] - 1)
    first_part = (token_types == 0) & (index < lengths[:, None])  # [CLS] question [SEP]
    question = first_part & (index > 0) & (index < first_part.sum(1, keepdim=True) - 1)
    return question, passage


def mean_cosine(hidden: Tensor, question: Tensor, passage: Tensor) -> Tensor:
    """Cosine of the two sides' mean vectors [B]; 0 where a side is empty."""
    q, p = (
        (hidden * side[..., None]).sum(1) / side.sum(1, keepdim=True).clamp(min=1)
        for side in (question, passage)
    )
    return F.cosine_similarity(q, p, dim=-1)


def best_match_cosine(hidden: Tensor, weights: Tensor, passage: Tensor) -> Tensor:
    """Weighted mean over question tokens of their highest cosine to a passage token [B]; at worst -1.

    `weights` [B, T] sum to 1 over the question and are 0 elsewhere.
    """
    unit = F.normalize(hidden, dim=-1)
    cosines = unit @ unit.transpose(1, 2)  # [B, T question, T passage]
    return (cosines.masked_fill(~passage[:, None, :], -1.0).amax(-1) * weights).sum(1)


def coverage(token_ids: Tensor, weights: Tensor, passage: Tensor) -> Tensor:
    """BM25 of the passage for the question, as a share of the weights [B], 0..k1 + 1.

    `weights` [B, T] sum to 1 over the question; counts saturate and long passages count less.
    """
    same = (token_ids[:, :, None] == token_ids[:, None, :]) & passage[:, None, :]
    counts = same.sum(-1, dtype=torch.float32)  # of each token in the passage
    length = passage.sum(1, keepdim=True) / _TYPICAL_TOKENS
    saturated = counts * (_K1 + 1) / (counts + _K1 * (1 - _B + _B * length))
    return (saturated * weights).sum(1)
