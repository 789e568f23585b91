"""Adapters of different runs become one: the mean of what they change, cut to a rank."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.adapter_file import AnswererInfo
from model.prompt_template import PromptTemplate
from model.train.answers.merge import merge

INFO = AnswererInfo(PromptTemplate(), "decoder", "tokenizer", rank=2, alpha=4.0)


def factors(seed: int) -> dict[str, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return {
        "blocks.0.mlp.a": torch.randn(2, 12, generator=chance),
        "blocks.0.mlp.b": torch.randn(9, 2, generator=chance),
    }


def change(tensors: dict[str, Tensor], scale: float) -> Tensor:
    return scale * tensors["blocks.0.mlp.b"] @ tensors["blocks.0.mlp.a"]


def test_the_mean_of_two_changes_needs_the_ranks_of_both() -> None:
    first, second = factors(1), factors(2)
    tensors, kept = merge([(first, INFO), (second, INFO)], [0.25, 0.75], rank=4)
    torch.testing.assert_close(change(tensors, 1.0), 0.25 * change(first, 2.0) + 0.75 * change(second, 2.0))
    assert kept == pytest.approx(1.0)


def test_a_lower_rank_keeps_the_most_it_can() -> None:
    first, second = factors(1), factors(2)
    tensors, kept = merge([(first, INFO), (second, INFO)], [0.5, 0.5], rank=2)
    assert tensors["blocks.0.mlp.a"].shape == (2, 12)
    wanted = change(first, 1.0) + change(second, 1.0)
    lost = (change(tensors, 1.0) - wanted).square().sum() / wanted.square().sum()
    assert kept == pytest.approx(1 - float(lost), abs=1e-5)
    assert 0.5 < kept < 1


def test_parts_of_another_origin_are_refused() -> None:
    with pytest.raises(ValueError, match="base_sha256"):
        merge([(factors(1), INFO), (factors(2), replace(INFO, base_sha256="other"))], [0.5, 0.5], rank=2)
    with pytest.raises(ValueError, match="as many shares"):
        merge([(factors(1), INFO)], [0.5, 0.5], rank=2)
