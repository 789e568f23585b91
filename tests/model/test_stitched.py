"""Passages read apart: packing for training and stitching for use must be one and the same computation."""

from __future__ import annotations

import random

import pytest
import torch

from model.decoder import Decoder
from model.decoder_runner import DecoderRunner
from model.decoder_tokenizer import PromptMask, PromptTokens
from model.generator import never
from model.passage_store import PassageStore
from model.stored_passage import StoredPassage
from model.train.answers.packing import Branch, Pack, PackedPast, lay_out
from tests.model.tiny_decoders import load_tiny


@pytest.fixture(scope="module", params=["gemma3", "llama"])
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    return load_tiny(request.param, tmp_path_factory.mktemp("tiny"))


def words(chance: random.Random, count: int) -> list[int]:
    return [chance.randrange(3, 60) for _ in range(count)]


def some_pack(mask: PromptMask, branches: int = 3) -> Pack:
    chance = random.Random(5)
    return Pack(
        words(chance, 6),
        [words(chance, length) for length in (11, 4, 17)],
        [Branch(words(chance, 5 + number), words(chance, 3)) for number in range(branches)],
        mask,
    )


def stitched_prompt(pack: Pack, question: list[int]) -> PromptTokens:
    return PromptTokens([pack.preamble, *pack.passages, question], "block")


def packed_logits(decoder: Decoder, pack: Pack) -> torch.Tensor:
    row = lay_out([pack])
    hidden = decoder.hidden(row.tokens, PackedPast(row, decoder.config))
    return decoder.logits(hidden[0, row.predictors])


def test_a_branch_of_a_full_pack_is_its_own_prompt(decoder: Decoder) -> None:
    pack = some_pack("full")
    together = packed_logits(decoder, pack)
    trunk = pack.preamble + [token for passage in pack.passages for token in passage]
    alone = []
    for branch in pack.branches:
        tokens = trunk + branch.prompt + branch.target[:-1]
        logits = decoder(torch.tensor([tokens]))[0]
        alone.append(logits[-len(branch.target) :])
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_stitching_computes_what_training_packed(decoder: Decoder) -> None:
    runner = DecoderRunner(decoder, 1024)
    pack = some_pack("block")
    together = packed_logits(decoder, pack)
    stitched = []
    for branch in pack.branches:
        sequence, logits = runner.read(stitched_prompt(pack, branch.prompt), never)
        stitched.append(logits)
        for token in branch.target[:-1]:
            stitched.append(runner.advance([sequence], [token])[0])
        runner.cache.close(sequence)
    runner.cache.check_integrity()
    torch.testing.assert_close(together, torch.stack(stitched), atol=1e-4, rtol=1e-4)
    # The preamble and the passages: read once, used three times.
    assert (runner.passages.misses, runner.passages.hits) == (4, 8)


def test_a_passage_read_elsewhere_is_as_good_as_new(decoder: Decoder) -> None:
    warm, cold = DecoderRunner(decoder, 1024), DecoderRunner(decoder, 1024)
    pack = some_pack("block", 1)
    prompt = pack.branches[0].prompt
    warm.read(PromptTokens([pack.preamble, *pack.passages[::-1], prompt], "block"), never)
    first = warm.read(stitched_prompt(pack, prompt), never)[1]
    again = cold.read(stitched_prompt(pack, prompt), never)[1]
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert warm.passages.misses == 4


def test_stitching_one_text_is_plain_prefill(decoder: Decoder) -> None:
    runner = DecoderRunner(decoder, 1024)
    pack = some_pack("block", 1)
    stitched = runner.read(PromptTokens([pack.preamble, pack.branches[0].prompt], "block"), never)[1]
    plain = runner.prefill(pack.preamble + pack.branches[0].prompt, never)[1]
    torch.testing.assert_close(stitched, plain, atol=1e-4, rtol=1e-4)


def test_stitched_and_plain_sequences_advance_together(decoder: Decoder) -> None:
    runner = DecoderRunner(decoder, 1024)
    pack = some_pack("block", 1)
    prompt = pack.branches[0].prompt

    def both() -> list[tuple[object, torch.Tensor]]:
        plain = runner.prefill(pack.preamble + prompt, never)
        return [runner.read(stitched_prompt(pack, prompt), never), plain]

    apart = [runner.advance([sequence], [9])[0] for sequence, _ in both()]  # type: ignore[list-item]
    together = runner.advance([sequence for sequence, _ in both()], [9, 9])  # type: ignore[misc]
    torch.testing.assert_close(together, torch.stack(apart), atol=1e-4, rtol=1e-4)


def test_the_store_forgets_what_was_used_least_recently() -> None:
    one = StoredPassage(torch.zeros(2, 4, 1, 8), torch.zeros(2, 4, 1, 8))
    store = PassageStore(one.bytes * 2)
    store.put([1], one)
    store.put([2], one)
    assert store.get([1]) is one
    store.put([3], one)
    assert store.get([2]) is None
    assert store.get([1]) is one
    assert (len(store), store.bytes, store.evictions) == (2, one.bytes * 2, 1)


def test_a_passage_larger_than_the_budget_is_not_kept() -> None:
    one = StoredPassage(torch.zeros(2, 4, 1, 8), torch.zeros(2, 4, 1, 8))
    store = PassageStore(one.bytes - 1)
    store.put([1, 2], one)
    assert len(store) == 0
    assert store.bytes == 0


def test_packs_in_one_call_compute_what_each_computes_alone(decoder: Decoder) -> None:
    """Rows of other lengths and masks, filled up to the longest, do not touch one another."""
    packs = [some_pack("full"), some_pack("block", branches=1), some_pack("full", branches=2)]
    rows = lay_out(packs)
    hidden = decoder.hidden(rows.tokens, PackedPast(rows, decoder.config))
    together = decoder.logits(hidden.flatten(0, 1)[rows.predictors])
    alone = torch.cat([packed_logits(decoder, pack) for pack in packs])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
