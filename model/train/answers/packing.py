"""Many questions on one context in one row: the context is computed once and every question sees only it.

A pack is a tree. Its trunk is a preamble and passages; each branch is a question with its answer, sees the
trunk and itself, and takes the positions right behind the trunk, as if it were alone. The loss of a branch is
therefore exactly the loss of its own prompt, at a fraction of the cost (the tests compare the two).

`full` is the causal trunk. `block` is the trunk the engine stitches from cached passages: a passage is a text
of its own, with its own begin token, and sees only itself; only its place in the row tells the question where
it stands (Block-Attention, arXiv 2409.15355).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model.attention import AttentionMask
from model.config import DecoderConfig
from model.decoder_tokenizer import PromptMask

USUAL_TOKENS = 8  # of a short answer with its marker
_PADDING = -(2**31)  # the group of what fills a row up


@dataclass(frozen=True, slots=True)
class Branch:
    """A question and the tokens that should follow it."""

    prompt: list[int]
    target: list[int]
    asks: bool = False  # for a question that a passage answers: nothing that could be refused


@dataclass(frozen=True, slots=True)
class Pack:
    """A context with its questions, as token ids."""

    preamble: list[int]
    passages: list[list[int]]
    branches: list[Branch]
    mask: PromptMask

    @property
    def tokens(self) -> int:
        """Length of the row."""
        trunk = len(self.preamble) + sum(map(len, self.passages))
        return trunk + sum(len(branch.prompt) + len(branch.target) for branch in self.branches)


@dataclass(frozen=True, slots=True)
class Rows:
    """B packs laid out for the decoder, filled up to the longest, N tokens."""

    tokens: Tensor  # int64 [B, N]
    positions: Tensor  # int64 [B, N]
    groups: Tensor  # int64 [B, N]: 0 the preamble, 1.. the passages, -1.. the branches
    full: Tensor  # bool [B]: the mask of the trunk
    predictors: Tensor  # int64 [M]: the tokens whose next token is learned, counted through all rows
    targets: Tensor  # int64 [M]
    weights: Tensor  # float32 [M], of their losses


@dataclass(slots=True)
class _Row:
    """One pack's lists of the same names."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    predictors: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, part: Sequence[int], start: int, group: int) -> None:
        """Tokens of one group at positions from `start` on."""
        self.tokens.extend(part)
        self.positions.extend(range(start, start + len(part)))
        self.groups.extend([group] * len(part))


def lay_out(packs: Sequence[Pack], device: torch.device | None = None) -> Rows:
    """The rows of some packs: the tokens of their parts one after another."""
    rows = [_row(pack) for pack in packs]
    width = max(len(row.tokens) for row in rows)

    def filled(parts: Sequence[list[int]], with_value: int = 0) -> Tensor:
        padded = [part + [with_value] * (width - len(part)) for part in parts]
        return torch.tensor(padded, device=device)

    def joined(parts: Sequence[Sequence[float]]) -> Tensor:
        return torch.tensor([value for part in parts for value in part], device=device)

    return Rows(
        tokens=filled([row.tokens for row in rows]),
        positions=filled([row.positions for row in rows]),
        groups=filled([row.groups for row in rows], _PADDING),
        full=torch.tensor([pack.mask == "full" for pack in packs], device=device),
        predictors=joined([[at * width + token for token in row.predictors] for at, row in enumerate(rows)]),
        targets=joined([row.targets for row in rows]),
        weights=joined([row.weights for row in rows]),
    )


def _row(pack: Pack) -> _Row:
    row = _Row()
    row.add(pack.preamble, 0, 0)
    for number, passage in enumerate(pack.passages, start=1):
        row.add(passage, len(row.tokens), number)
    behind = len(row.tokens)
    for number, branch in enumerate(pack.branches, start=1):
        # The last token of the prompt predicts the first target.
        first = len(row.tokens) + len(branch.prompt) - 1
        row.add(branch.prompt + branch.target[:-1], behind, -number)
        row.predictors.extend(range(first, first + len(branch.target)))
        row.targets.extend(branch.target)
        row.weights.extend([_token_weight(len(branch.target))] * len(branch.target))
    return row


def _token_weight(length: int) -> float:
    """Of each token of an answer: the same for all short ones, less in one that would outweigh the others.

    With a mean over each answer the first token of `[0]` weighed three times that of a usual answer, and a
    third of the questions that the passages answer were refused.
    """
    return 1 / max(USUAL_TOKENS, length / 2)


def visibility(rows: Rows) -> Tensor:
    """Boolean [B, N, N], True where the row's token sees the column's: the trees, without windows."""
    index = torch.arange(rows.groups.shape[1], device=rows.groups.device)
    query, key = rows.groups[:, :, None], rows.groups[:, None, :]
    seen = (query == key) | ((query < 0) & (key >= 0))
    seen |= rows.full[:, None, None] & (query >= 0) & (key >= 0)
    return seen & (index[None, :] <= index[:, None])


class PackedPast:
    """The masks of some rows, in the place of a cache (`model.decoder.KeyValues`)."""

    def __init__(self, rows: Rows, config: DecoderConfig) -> None:
        self.positions = rows.positions
        seen = visibility(rows)
        distance = rows.positions[:, :, None] - rows.positions[:, None, :]
        self._masks = {
            window: AttentionMask(allowed=(seen if window is None else seen & (distance < window))[:, None])
            for window in set(config.windows)
        }

    def extend(
        self, _layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """The keys and values given [B, N, K, D], behind the trees' masks."""
        return k.transpose(1, 2), v.transpose(1, 2), self._masks[window]
