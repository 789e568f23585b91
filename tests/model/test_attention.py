"""The attention implementations agree on every kind of mask; blockwise skips what nobody sees."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from model.attention import IMPLEMENTATIONS, AttentionMask, attend
from model.attention.blockwise import TILE_KEYS, TILE_ROWS, attend_counting

FAST = tuple(name for name in IMPLEMENTATIONS if name != "reference")
SHAPES = ((2, 4, 1, 300, 300, 32), (1, 4, 4, 1, 300, 64), (3, 4, 2, 1, 200, 32), (2, 4, 2, 50, 260, 16))
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 3e-2}


def random_qkv(shape, dtype=torch.float32, seed=0):
    batch, heads, key_heads, rows, keys, width = shape
    source = torch.Generator().manual_seed(seed)
    sizes = ((batch, heads, rows, width), (batch, key_heads, keys, width), (batch, key_heads, keys, width))
    return [torch.randn(size, generator=source).to(dtype) for size in sizes]


@pytest.mark.parametrize("implementation", FAST)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_implementations_agree_on_every_mask(implementation, dtype, shape):
    batch, _, _, rows, keys, _ = shape
    q, k, v = random_qkv(shape, dtype)
    starts = torch.linspace(0, keys - rows, batch).long()
    lengths = torch.linspace(0, keys, batch).long()  # the first sequence is all padding
    choices = itertools.product((False, True), (None, 1, 7, 200), (None, starts), (None, lengths))
    for causal, window, query_start, key_lengths in choices:
        mask = AttentionMask(causal, window, query_start, key_lengths)
        expected = attend(q, k, v, mask, scale=0.2, implementation="reference")
        actual = attend(q, k, v, mask, scale=0.2, implementation=implementation)
        torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_query_that_sees_nothing_gets_zeros(implementation):
    q, k, v = random_qkv((1, 2, 1, 3, 5, 8))
    mask = AttentionMask(key_lengths=torch.tensor([0]))
    assert attend(q, k, v, mask, scale=1.0, implementation=implementation).eq(0).all()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_grouped_queries_equal_repeated_keys(implementation):
    q, k, v = random_qkv((2, 6, 2, 10, 10, 8))
    mask = AttentionMask(causal=True)
    repeated = [each.repeat_interleave(3, dim=1) for each in (k, v)]
    expected = attend(q, *repeated, mask, scale=0.3, implementation="reference")
    actual = attend(q, k, v, mask, scale=0.3, implementation=implementation)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_one_key_seen_returns_its_value():
    q, k, v = random_qkv((1, 2, 2, 4, 4, 8))
    out = attend(q, k, v, AttentionMask(causal=True, window=1), scale=1.0)
    torch.testing.assert_close(out, v)


@pytest.mark.parametrize("tiles", [4, 8])
def test_blockwise_skips_the_tiles_above_the_diagonal(tiles):
    length = tiles * TILE_ROWS
    q, k, v = random_qkv((1, 1, 1, length, length, 8))
    _, counts = attend_counting(q, k, v, AttentionMask(causal=True), scale=1.0)
    assert (counts.computed, counts.skipped) == (tiles * (tiles + 1) // 2, tiles * (tiles - 1) // 2)


def test_blockwise_work_grows_linearly_with_a_window():
    def computed(tiles):
        q, k, v = random_qkv((1, 1, 1, tiles * TILE_ROWS, tiles * TILE_KEYS, 8))
        mask = AttentionMask(causal=True, window=TILE_KEYS)
        return attend_counting(q, k, v, mask, scale=1.0)[1].computed

    assert [computed(tiles) for tiles in (2, 4, 8)] == [3, 7, 15]


def test_blockwise_skips_padding():
    q, k, v = random_qkv((2, 1, 1, 4, 4 * TILE_KEYS, 8))
    mask = AttentionMask(key_lengths=torch.tensor([3, TILE_KEYS]))
    assert attend_counting(q, k, v, mask, scale=1.0)[1].computed == 1


class LargestTensor(TorchDispatchMode):
    """Remembers the most elements that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.elements = max(self.elements, out.numel())
        return out


def test_blockwise_memory_is_linear_in_the_length():
    def largest(length):
        q, k, v = random_qkv((1, 1, 1, length, length, 8))
        with LargestTensor() as mode:
            attend(q, k, v, AttentionMask(causal=True), scale=1.0, implementation="blockwise")
        return mode.elements

    assert largest(4096) <= 2 * largest(2048) < 2048 * 2048


def test_shapes_that_do_not_fit_are_refused():
    q, k, v = random_qkv((1, 4, 2, 3, 3, 8))
    with pytest.raises(ValueError, match="do not fit"):
        attend(q[:, :3], k, v, AttentionMask(), scale=1.0)
    with pytest.raises(ValueError, match="do not fit"):
        attend(q, k, v[:, :, :2], AttentionMask(), scale=1.0)
