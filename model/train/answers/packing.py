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
from dataclasses import dataclass

import torch
from torch import Tensor

from model.attention import AttentionMask
from model.config import DecoderConfig
from model.decoder_tokenizer import PromptMask

USUAL_TOKENS = 8  # of a short answer with its marker


@dataclass(frozen=True, slots=True)
class Branch:
    """A question and the tokens that should follow it."""

    prompt: list[int]
    target: list[int]


@dataclass(frozen=True, slots=True)
class Pack:
    """A context with its questions, as token ids."""

    preamble: list[int]
    passages: list[list[int]]
    branches: list[Branch]
    mask: PromptMask

    @property
    def tokens(self) -> int:
        """Length N of the row."""
        trunk = len(self.preamble) + sum(map(len, self.passages))
        return trunk + sum(len(branch.prompt) + len(branch.target) for branch in self.branches)


@dataclass(frozen=True, slots=True)
class Row:
    """A pack laid out for the decoder; N tokens."""

    tokens: Tensor  # int64 [1, N]
    positions: Tensor  # int64 [1, N]
    groups: Tensor  # int64 [N]: 0 the preamble, 1.. the passages, -1.. the branches
    mask: PromptMask
    predictors: Tensor  # int64 [M]: the tokens whose next token is learned
    targets: Tensor  # int64 [M]
    weights: Tensor  # float32 [M], of their losses


def lay_out(pack: Pack, device: torch.device | None = None) -> Row:
    """The row of a pack: the tokens of its parts one after another."""
    tokens: list[int] = []
    positions: list[int] = []
    groups: list[int] = []
    predictors: list[int] = []
    weights: list[float] = []

    def add(part: Sequence[int], start: int, group: int) -> None:
        tokens.extend(part)
        positions.extend(range(start, start + len(part)))
        groups.extend([group] * len(part))

    add(pack.preamble, 0, 0)
    for number, passage in enumerate(pack.passages, start=1):
        add(passage, len(tokens), number)
    behind = len(tokens)
    targets: list[int] = []
    for number, branch in enumerate(pack.branches, start=1):
        first = len(tokens) + len(branch.prompt) - 1  # the last token of the prompt predicts the first target
        add(branch.prompt + branch.target[:-1], behind, -number)
        predictors.extend(range(first, first + len(branch.target)))
        targets.extend(branch.target)
        weights.extend([_token_weight(len(branch.target))] * len(branch.target))
    return Row(
        tokens=torch.tensor([tokens], device=device),
        positions=torch.tensor([positions], device=device),
        groups=torch.tensor(groups, device=device),
        mask=pack.mask,
        predictors=torch.tensor(predictors, device=device),
        targets=torch.tensor(targets, device=device),
        weights=torch.tensor(weights, device=device),
    )


def _token_weight(length: int) -> float:
    """Of each token of an answer: the same for all short ones, less in one that would outweigh the others.

    With a mean over each answer the first token of `[0]` weighed three times that of a usual answer, and a
    third of the questions that the passages answer were refused.
    """
    return 1 / max(USUAL_TOKENS, length / 2)


def visibility(row: Row) -> Tensor:
    """Boolean [N, N], True where the row's token sees the column's: the tree, without windows."""
    index = torch.arange(len(row.groups), device=row.groups.device)
    query, key = row.groups[:, None], row.groups[None, :]
    seen = (query == key) | ((query < 0) & (key >= 0))
    if row.mask == "full":
        seen |= (query >= 0) & (key >= 0)
    return seen & (index[None, :] <= index[:, None])


class PackedPast:
    """The masks of one row, in the place of a cache (`model.decoder.KeyValues`)."""

    def __init__(self, row: Row, config: DecoderConfig) -> None:
        self.positions = row.positions
        seen = visibility(row)
        distance = row.positions[0][:, None] - row.positions[0][None, :]
        self._masks = {
            window: AttentionMask(
                allowed=(seen if window is None else seen & (distance < window))[None, None]
            )
            for window in set(config.windows)
        }

    def extend(
        self, _layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """The keys and values given [1, N, K, D], behind the tree's mask."""
        return k.transpose(1, 2), v.transpose(1, 2), self._masks[window]
