"""A batch without its padding: the real tokens of all texts in one row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from model.tokenizer import TokenBatch


@dataclass(frozen=True, slots=True)
class Stack:
    """Neighbouring texts of equal length: their tokens are a [texts, tokens] matrix as they lie."""

    start: int  # first packed token
    texts: int
    tokens: int  # of each text


@dataclass(frozen=True, slots=True)
class PackedTokens:
    """Texts one behind another; N is the sum of their lengths."""

    token_ids: Tensor  # int64 [N]
    token_types: Tensor  # int64 [N]: 0 question, 1 passage
    positions: Tensor  # int64 [N]: place of a token in its text
    slots: Tensor  # int64 [N]: place of a token in the padded batch, read row by row
    lengths: Tensor  # int64 [B]
    sizes: tuple[int, ...]  # `lengths` on the host: loops over texts need no wait for the device

    @classmethod
    def pack(cls, batch: TokenBatch) -> PackedTokens:
        """Drop the padding of `batch`."""
        width = batch.token_ids.shape[1]
        columns = torch.arange(width, device=batch.lengths.device)
        slots = (columns < batch.lengths[:, None]).flatten().nonzero().squeeze(-1)
        return cls(
            token_ids=batch.token_ids.flatten()[slots],
            token_types=batch.token_types.flatten()[slots],
            positions=slots % width,
            slots=slots,
            lengths=batch.lengths,
            sizes=tuple(batch.lengths.tolist()),
        )

    def to(self, device: torch.device) -> PackedTokens:
        """The same texts on `device`."""
        return PackedTokens(
            token_ids=self.token_ids.to(device),
            token_types=self.token_types.to(device),
            positions=self.positions.to(device),
            slots=self.slots.to(device),
            lengths=self.lengths.to(device),
            sizes=self.sizes,
        )

    def take(self, padded: Tensor) -> Tensor:
        """The real tokens of [B, T, ...]: [N, ...]."""
        return padded.flatten(0, 1)[self.slots]

    def unpack(self, x: Tensor) -> Tensor:
        """[N, C] back to [B, T, C], zeros at the padding."""
        batch, width = len(self.sizes), max(self.sizes, default=0)
        if len(set(self.sizes)) == 1:
            return x.view(batch, width, -1)  # no padding to put back, so no copy
        padded = x.new_zeros(batch * width, x.shape[-1])
        return padded.index_copy_(0, self.slots, x).view(batch, width, -1)

    def means(self, x: Tensor) -> Tensor:
        """Mean over each text's tokens in fp32: [N, C] -> [B, C]."""
        texts = torch.arange(len(self.sizes), device=x.device)
        text_of_token = texts.repeat_interleave(self.lengths, output_size=x.shape[0])
        sums = x.new_zeros(len(self.sizes), x.shape[-1], dtype=torch.float32)
        return sums.index_add_(0, text_of_token, x.float()) / self.lengths[:, None]

    def stacks(self, max_tokens: int) -> list[Stack]:
        """Runs of neighbours of equal length, cut where a run would pass `max_tokens`."""
        found: list[Stack] = []
        start = 0
        for tokens, run in groupby(self.sizes):
            left = len(list(run))
            while left:
                texts = min(left, max(1, max_tokens // tokens))
                found.append(Stack(start, texts, tokens))
                start, left = start + texts * tokens, left - texts
        return found
