"""Prompts that begin alike share blocks: the same answer, less computed, nothing lost or leaked."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.decoder import Decoder
from model.decoder_runner import DecoderRunner
from model.decoder_tokenizer import PromptTokens
from model.kv_cache import BLOCK_TOKENS, KVCache
from model.prefix_cache import PrefixCache
from tests.model.test_native import LLAMA

CPU = torch.device("cpu")


def runner(prefix_blocks: int = 64, capacity_tokens: int = 2048) -> DecoderRunner:
    torch.manual_seed(5)
    decoder = Decoder.uninitialised(LLAMA, dtype=torch.float32, device=CPU)
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    block_bytes = 2 * LLAMA.layers * LLAMA.key_value_heads * LLAMA.head_width * 4 * BLOCK_TOKENS
    return DecoderRunner(decoder, capacity_tokens, prefix_bytes=prefix_blocks * block_bytes)


def prompt(length: int, *, last: int = 0) -> list[int]:
    return [*((7 * index) % 250 for index in range(length - 1)), last]


def read(run: DecoderRunner, tokens: list[int]) -> torch.Tensor:
    sequence, logits = run.read(PromptTokens([tokens]), lambda: False)
    run.cache.close(sequence)
    run.cache.check_integrity()
    return logits


def test_the_same_beginning_is_read_once_and_changes_nothing() -> None:
    run = runner()
    first = read(run, prompt(300))
    assert run.prefixes.hit_tokens == 0
    again = read(run, prompt(300))
    assert run.prefixes.hit_tokens == 256
    torch.testing.assert_close(again, first, atol=1e-5, rtol=1e-5)
    other = read(run, prompt(300, last=9))
    assert run.prefixes.hit_tokens == 512
    torch.testing.assert_close(other, read(runner(), prompt(300, last=9)), atol=1e-5, rtol=1e-5)


def test_a_prompt_that_is_all_known_still_computes_its_last_token() -> None:
    run = runner()
    first = read(run, prompt(128))
    torch.testing.assert_close(read(run, prompt(128)), first, atol=1e-5, rtol=1e-5)
    assert run.prefixes.hit_tokens == 64


def test_a_token_changed_early_shares_only_what_stands_before_it() -> None:
    run = runner()
    read(run, prompt(300))
    changed = prompt(300)
    changed[70] = 251
    torch.testing.assert_close(read(run, changed), read(runner(), changed), atol=1e-5, rtol=1e-5)
    assert run.prefixes.hit_tokens == 64


def test_held_blocks_are_free_for_whoever_needs_them() -> None:
    run = runner(capacity_tokens=512)
    read(run, prompt(500))
    assert len(run.prefixes) == 7
    assert run.cache.free_blocks == run.cache.blocks
    other = [index % 200 for index in range(512)]
    torch.testing.assert_close(read(run, other), read(runner(), other), atol=1e-5, rtol=1e-5)
    assert run.prefixes.evictions >= 7


def test_blocks_in_use_are_not_given_back() -> None:
    run = runner(capacity_tokens=512)
    read(run, prompt(200))
    sequence, _ = run.read(PromptTokens([prompt(200)]), lambda: False)
    kept = run.cache.read(sequence, 0)[0].clone()
    run.prefixes.give_back(100)
    assert len(run.prefixes) == 3
    assert torch.equal(run.cache.read(sequence, 0)[0], kept)
    run.cache.close(sequence)
    run.prefixes.give_back(100)
    assert len(run.prefixes) == 0
    run.cache.check_integrity()


def test_the_least_recently_used_go_first() -> None:
    run = runner(prefix_blocks=4)
    read(run, prompt(200))  # three blocks
    read(run, [9] * 100)  # one more
    read(run, prompt(200))
    read(run, [8] * 100)
    assert len(run.prefixes) == 4
    hits = run.prefixes.hit_tokens
    read(run, prompt(200))
    assert run.prefixes.hit_tokens == hits + 192


def test_the_block_mask_shares_passages_not_prefixes() -> None:
    run = runner()
    parts = PromptTokens([prompt(100), prompt(150), prompt(90)], "block")
    for _ in range(2):
        sequence, _ = run.read(parts, lambda: False)
        run.cache.close(sequence)
    assert (run.prefixes.hit_tokens, len(run.prefixes)) == (0, 0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 400)), max_size=12), st.integers(1, 6))
def test_any_order_of_prompts_keeps_the_books(prompts: list[tuple[int, int]], budget: int) -> None:
    """Blocks alone, without a decoder: open, adopt, grow, keep, close in turn."""
    cache = KVCache(LLAMA, 1024, dtype=torch.float32, device=CPU)
    prefixes = PrefixCache(cache, budget)
    for kind, length in prompts:
        tokens = [kind] * length
        sequence = cache.open()
        known = prefixes.adopt(sequence, tokens)
        assert known < length
        cache.step([sequence], [length - known])
        prefixes.keep(sequence, tokens)
        cache.check_integrity()
        cache.close(sequence)
        cache.check_integrity()
        assert len(prefixes) <= budget
    assert cache.free_blocks == cache.blocks


def test_after_clearing_nothing_is_held_but_what_a_sequence_still_uses() -> None:
    run = runner()
    sequence, _ = run.read(PromptTokens([prompt(200)]), lambda: False)
    run.forget()
    run.cache.check_integrity()
    assert (len(run.prefixes), run.prefixes.held_blocks) == (0, [])
    run.cache.close(sequence)
    assert run.cache.free_blocks == run.cache.blocks
    read(run, prompt(200))
    assert run.prefixes.hit_tokens == 0
