"""The encoder's tokens: special tokens, truncation, spans, batches by length."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.tokenizer import EncoderTokenizer, fit_pair, token_budget_batches
from tests.model.tiny import write_tokenizer


@pytest.fixture
def tokenizer(tmp_path: Path) -> EncoderTokenizer:
    return EncoderTokenizer.load(write_tokenizer(tmp_path))


def test_stored_truncation_and_padding_are_ignored(tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path)
    raw = json.loads(path.read_text())
    raw["truncation"] = {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    path.write_text(json.dumps(raw))
    ids = EncoderTokenizer.load(path).encode(["red blue green red blue green"])[0]
    assert len(ids) == 6


def test_spans_name_every_token_without_special_ones(tokenizer: EncoderTokenizer) -> None:
    text = "Red, blues  green"
    assert [text[a:b] for a, b in tokenizer.spans(text)] == ["Red", ",", "blue", "s", "green"]


def test_a_single_row_is_cut_with_its_separator_kept(tokenizer: EncoderTokenizer) -> None:
    row = tokenizer.single([9] * 10, 6)
    assert row == [tokenizer.start_id, 9, 9, 9, 9, tokenizer.separator_id]


def test_a_pair_loses_its_passage_end_first(tokenizer: EncoderTokenizer) -> None:
    row, passage_start = tokenizer.pair([7, 7], [8] * 20, 10)
    assert row == [tokenizer.start_id, 7, 7, tokenizer.separator_id, 8, 8, 8, 8, 8, tokenizer.separator_id]
    assert passage_start == 4


@pytest.mark.parametrize(
    ("question", "passage", "kept"),
    [(3, 4, (3, 4)), (3, 40, (3, 7)), (40, 3, (7, 3)), (40, 40, (5, 5)), (0, 40, (0, 10)), (0, 0, (0, 0))],
)
def test_the_longer_side_is_cut_first(question: int, passage: int, kept: tuple[int, int]) -> None:
    assert fit_pair(question, passage, 10) == kept


def test_padding_carries_lengths_and_types(tokenizer: EncoderTokenizer) -> None:
    batch = tokenizer.pad([[1, 2, 3, 4], [1, 2]], [2, 1])
    assert batch.lengths.tolist() == [4, 2]
    assert batch.token_ids[1].tolist() == [1, 2, tokenizer.padding_id, tokenizer.padding_id]
    assert batch.token_types.tolist() == [[0, 0, 1, 1], [0, 1, 0, 0]]


def test_batches_hold_every_row_once_within_the_budget() -> None:
    lengths = [5, 90, 7, 7, 300, 6, 88]
    batches = token_budget_batches(lengths, 200)
    assert sorted(index for batch in batches for index in batch) == list(range(7))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 200 for batch in batches)
    assert batches[0] == [4]  # longer than the budget: alone


def test_no_rows_make_no_batches() -> None:
    assert token_budget_batches([], 100) == []
