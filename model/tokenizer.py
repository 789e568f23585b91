"""The encoder's WordPiece tokens: ids for the networks, character spans for the chunker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Rows padded on the right to the longest."""

    token_ids: Tensor  # int64 [B, T]
    token_types: Tensor  # int64 [B, T]: 0 question, 1 passage
    lengths: Tensor  # int64 [B]: real tokens of each row

    def to(self, device: torch.device) -> TokenBatch:
        """The same batch on `device`."""
        return TokenBatch(self.token_ids.to(device), self.token_types.to(device), self.lengths.to(device))


class EncoderTokenizer:
    """A `tokenizer.json` of the BERT family, used without its stored truncation and padding."""

    def __init__(self, tokenizer: Tokenizer, identity: str) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.id = identity
        self.start_id = self._special("[CLS]")
        self.separator_id = self._special("[SEP]")
        self.padding_id = self._special("[PAD]")

    @classmethod
    def load(cls, path: Path) -> EncoderTokenizer:
        """Read `tokenizer.json`; its SHA-256 becomes the identity that weights are checked against."""
        raw = path.read_bytes()
        return cls(Tokenizer.from_str(raw.decode("utf-8")), hashlib.sha256(raw).hexdigest())

    def _special(self, token: str) -> int:
        token_id = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise ValueError(f"the tokenizer has no {token} token")
        return int(token_id)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens and without truncation."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def encode_with_spans(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """What `encode` returns, each with the character span (start, end) of every token."""
        encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Character span (start, end) of every token of `text`, as `encode` cuts it."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def single(self, ids: Sequence[int], max_tokens: int) -> list[int]:
        """[CLS] text [SEP], the text cut so that the row has at most `max_tokens`."""
        return [self.start_id, *ids[: max_tokens - 2], self.separator_id]

    def pair(self, question: Sequence[int], passage: Sequence[int], max_tokens: int) -> tuple[list[int], int]:
        """[CLS] question [SEP] passage [SEP] within `max_tokens`, and where the passage part begins.

        The longer side is cut first, which leaves every question of ordinary length whole.
        """
        question_tokens, passage_tokens = fit_pair(len(question), len(passage), max_tokens - 3)
        row = [self.start_id, *question[:question_tokens], self.separator_id]
        return [*row, *passage[:passage_tokens], self.separator_id], len(row)

    def pad(self, rows: Sequence[Sequence[int]], passage_starts: Sequence[int] | None = None) -> TokenBatch:
        """Stack rows; `passage_starts` gives the index from which a row's token type is 1."""
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        width = int(lengths.max()) if rows else 0
        padded = [[*row, *[self.padding_id] * (width - len(row))] for row in rows]
        token_ids = torch.tensor(padded, dtype=torch.int64)
        token_types = torch.zeros_like(token_ids)
        if passage_starts is not None:
            index = torch.arange(width)
            starts = torch.tensor(passage_starts, dtype=torch.int64)
            token_types = ((index >= starts[:, None]) & (index < lengths[:, None])).long()
        return TokenBatch(token_ids, token_types, lengths)


def fit_pair(question_tokens: int, passage_tokens: int, budget: int) -> tuple[int, int]:
    """How many tokens of each side fit into `budget` when the longer side is cut first."""
    half = budget // 2
    if question_tokens + passage_tokens <= budget:
        return question_tokens, passage_tokens
    if question_tokens <= half:
        return question_tokens, budget - question_tokens
    if passage_tokens <= half:
        return budget - passage_tokens, passage_tokens
    return budget - half, half


def token_budget_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Row indices, longest first, in batches whose padded size stays within `max_tokens`.

    Neighbours in length share a batch, so little is computed on padding. A row longer than the
    budget gets a batch of its own.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= max_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
