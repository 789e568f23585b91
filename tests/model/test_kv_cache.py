"""The cache's bookkeeping: blocks are never lost, doubled or written to by two sequences."""

from __future__ import annotations

import random

import pytest
import torch

from model.config import DecoderConfig, RotaryConfig
from model.kv_cache import BLOCK_TOKENS, BlockAllocator, CacheFull, KVCache

CONFIG = DecoderConfig(
    family="llama",
    vocab_size=8,
    width=8,
    heads=2,
    key_value_heads=1,
    head_width=4,
    mlp_width=8,
    max_tokens=4096,
    norm_epsilon=1e-6,
    activation="silu",
    attention_scale=0.5,
    rotary=RotaryConfig(10_000.0),
    windows=(None, 5),
)


def new_cache(blocks=4):
    return KVCache(CONFIG, blocks * BLOCK_TOKENS, dtype=torch.float32, device=torch.device("cpu"))


def append(cache, sequences, counts, value):
    """Store `value` as every key and value of the new tokens; returns what layer 0 reads back."""
    step = cache.step(sequences, counts)
    new = torch.full((len(sequences), max(counts), 1, 4), float(value))
    keys, _, mask = step.extend(0, new, new, None)
    return keys, mask


def test_the_lowest_free_block_comes_first():
    allocator = BlockAllocator(3)
    blocks = [allocator.allocate() for _ in range(3)]
    allocator.release(1)
    allocator.release(0)
    assert (blocks, allocator.allocate(), allocator.free_blocks) == ([0, 1, 2], 0, 1)
    with pytest.raises(ValueError, match="already free"):
        allocator.release(1)
    with pytest.raises(ValueError, match="cannot be shared"):
        allocator.share(1)


def test_integrity_notices_a_lost_block():
    allocator = BlockAllocator(2)
    block = allocator.allocate()
    allocator.check_integrity([[block]])
    with pytest.raises(ValueError, match="do not match"):
        allocator.check_integrity([])


def test_a_lone_sequence_reads_its_tokens_in_order_and_no_mask():
    cache = new_cache()
    sequence = cache.open()
    append(cache, [sequence], [BLOCK_TOKENS], 1)
    keys, mask = append(cache, [sequence], [1], 2)
    assert keys[0, 0, :, 0].tolist() == [1.0] * BLOCK_TOKENS + [2.0]
    assert not mask.causal
    assert keys.untyped_storage().data_ptr() == cache.keys.codes.untyped_storage().data_ptr()  # a view


def test_scattered_blocks_read_in_order():
    cache = new_cache()
    first, second = cache.open(), cache.open()
    append(cache, [first, second], [BLOCK_TOKENS, BLOCK_TOKENS], 1)
    append(cache, [first], [BLOCK_TOKENS], 2)
    keys, _ = append(cache, [first], [1], 3)
    assert first.blocks == [0, 2, 3]
    assert keys[0, 0, :, 0].tolist() == [1.0] * BLOCK_TOKENS + [2.0] * BLOCK_TOKENS + [3.0]


def test_a_fork_shares_blocks_until_it_writes():
    cache = new_cache()
    parent = cache.open()
    append(cache, [parent], [BLOCK_TOKENS + 3], 1)
    child = cache.fork(parent)
    assert cache.free_tokens == 2 * BLOCK_TOKENS
    append(cache, [child], [1], 7)
    cache.check_integrity()
    assert child.blocks[0] == parent.blocks[0]
    assert child.blocks[1] != parent.blocks[1]
    keys, _ = append(cache, [parent], [1], 9)
    assert keys[0, 0, -2:, 0].tolist() == [1.0, 9.0]


def test_a_cut_sequence_forgets_its_end_and_gives_blocks_back():
    cache = new_cache()
    sequence = cache.open()
    append(cache, [sequence], [BLOCK_TOKENS + 2], 1)
    append(cache, [sequence], [BLOCK_TOKENS], 2)
    cache.truncate(sequence, BLOCK_TOKENS + 3)
    cache.check_integrity()
    assert (sequence.length_tokens, cache.free_blocks) == (BLOCK_TOKENS + 3, 2)
    keys, _ = append(cache, [sequence], [1], 5)
    assert keys[0, 0, -4:, 0].tolist() == [1.0, 1.0, 2.0, 5.0]
    cache.truncate(sequence, BLOCK_TOKENS)
    assert cache.free_blocks == 3
    cache.truncate(sequence, 0)
    cache.check_integrity()
    assert cache.free_blocks == 4


def test_cutting_a_fork_leaves_the_other_as_it_was():
    """The cut falls into a block that both read: what is written next goes into a copy."""
    cache = new_cache(blocks=5)
    parent = cache.open()
    append(cache, [parent], [BLOCK_TOKENS + 4], 1)
    child = cache.fork(parent)
    cache.truncate(child, BLOCK_TOKENS - 1)
    cache.check_integrity()
    append(cache, [child], [3], 7)
    cache.check_integrity()
    assert set(child.blocks).isdisjoint(parent.blocks)
    assert cache.read(parent, 0)[0][0, :, 0, 0].tolist() == [1.0] * (BLOCK_TOKENS + 4)
    assert cache.read(child, 0)[0][0, :, 0, 0].tolist() == [1.0] * (BLOCK_TOKENS - 1) + [7.0] * 3


@pytest.mark.parametrize("length_tokens", [-1, 6])
def test_a_cut_outside_the_sequence_is_refused(length_tokens):
    cache = new_cache()
    sequence = cache.open()
    append(cache, [sequence], [5], 1)
    with pytest.raises(ValueError, match="5 tokens cannot be cut"):
        cache.truncate(sequence, length_tokens)
    cache.check_integrity()


def test_integrity_notices_a_block_too_many():
    cache = new_cache()
    sequence = cache.open()
    append(cache, [sequence], [BLOCK_TOKENS + 1], 1)
    sequence.length_tokens = BLOCK_TOKENS
    with pytest.raises(ValueError, match="more or fewer blocks"):
        cache.check_integrity()


def test_a_full_cache_refuses_and_stays_as_it_was():
    cache = new_cache(blocks=2)
    first, second = cache.open(), cache.open()
    cache.step([first], [BLOCK_TOKENS])
    with pytest.raises(CacheFull, match="2 cache blocks needed, 1 are free"):
        cache.step([first, second], [1, 1])
    assert (first.length_tokens, second.length_tokens, cache.free_tokens) == (BLOCK_TOKENS, 0, BLOCK_TOKENS)
    cache.check_integrity()


def test_bytes_per_token_counts_keys_and_values_of_all_layers():
    cache = new_cache()
    assert cache.bytes_per_token * cache.free_tokens == cache.keys.codes.nbytes + cache.values.codes.nbytes


def test_random_use_keeps_integrity_and_returns_every_block():
    choose = random.Random(7)
    cache = new_cache(blocks=12)
    sequences = []
    for _ in range(300):
        action = choose.choice(("open", "grow", "grow", "fork", "cut", "close"))
        if action == "open":
            sequences.append(cache.open())
        elif sequences and action == "grow":
            try:
                cache.step([choose.choice(sequences)], [choose.randint(1, 2 * BLOCK_TOKENS)])
            except CacheFull:
                action = "close"
        elif sequences and action == "fork":
            sequences.append(cache.fork(choose.choice(sequences)))
        elif sequences and action == "cut":
            sequence = choose.choice(sequences)
            cache.truncate(sequence, choose.randint(0, sequence.length_tokens))
        if sequences and action == "close":
            cache.close(sequences.pop(choose.randrange(len(sequences))))
        cache.check_integrity()
    for sequence in sequences:
        cache.close(sequence)
    assert cache.free_tokens == 12 * BLOCK_TOKENS
