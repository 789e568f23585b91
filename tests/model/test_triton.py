"""The Triton kernels in Triton's interpreter on the CPU, against the formula in float64.

The interpreter must be on before triton is first imported, which other tests may have done already: the
kernels run in one child process of this module. Shapes and tiles are tiny, for the interpreter is slow.
Run alone: `pytest tests/model/test_triton.py`.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from model.attention import AttentionMask, attend
from model.config import DecoderConfig, RotaryConfig
from model.decoder import Decoder
from model.decoder_runner import DecoderRunner
from model.kv_cache import BLOCK_TOKENS, KVCache
from model.paged_step import PagedDecodeUnavailable, reads_paged

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed: pip install --no-deps triton"
)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
SCALE = 0.3
# B, H, K, T, S, D and the mask; the tile is 16 x 16.
PREFILL = {
    "everything": ((1, 2, 2, 17, 33, 16), AttentionMask()),
    "causal, groups of 4": ((1, 4, 1, 37, 37, 16), AttentionMask(causal=True)),
    "groups of 8": ((1, 8, 1, 5, 21, 16), AttentionMask(causal=True, query_start=torch.tensor([16]))),
    "window within a tile": ((1, 1, 1, 50, 50, 16), AttentionMask(causal=True, window=7)),
    "window of two tiles": ((1, 1, 1, 67, 67, 16), AttentionMask(causal=True, window=32)),
    "window that hides nothing": ((1, 1, 1, 19, 19, 16), AttentionMask(causal=True, window=500)),
    "window of one": ((1, 2, 1, 18, 18, 16), AttentionMask(causal=True, window=1)),
    "window without causality": ((1, 1, 1, 40, 50, 16), AttentionMask(window=5)),
    "later chunks": ((2, 1, 1, 20, 61, 16), AttentionMask(causal=True, query_start=torch.tensor([3, 41]))),
    "later chunks, window": ((2, 1, 1, 20, 61, 16), AttentionMask(True, 9, torch.tensor([0, 41]))),
    "lengths, one of them 0": ((3, 2, 1, 7, 33, 16), AttentionMask(key_lengths=torch.tensor([0, 13, 33]))),
    "every rule": (
        (2, 2, 1, 20, 61, 16),
        AttentionMask(True, 18, torch.tensor([5, 41]), torch.tensor([12, 48])),
    ),
    "one row": ((1, 4, 2, 1, 50, 16), AttentionMask(causal=True, query_start=torch.tensor([49]))),
    "no keys": ((1, 1, 1, 3, 0, 16), AttentionMask(causal=True)),
}


def random_qkv(shape, dtype, device="cpu"):
    batch, heads, key_heads, rows, keys, width = shape
    source = torch.Generator().manual_seed(rows * keys + width)
    sizes = ((batch, heads, rows, width), (batch, key_heads, keys, width), (batch, key_heads, keys, width))
    return [torch.randn(size, generator=source).to(device, dtype) for size in sizes]


def random_paged(heads, key_heads, width, dtype):
    """q, keys, values, tables and lengths of four sequences, their blocks out of order and some shared."""
    source = torch.Generator().manual_seed(heads * width)
    q = torch.randn((4, heads, width), generator=source).to(dtype)
    keys, values = (
        torch.randn((9, BLOCK_TOKENS, key_heads, width), generator=source).to(dtype) for _ in "kv"
    )
    tables = torch.tensor([[3, 1, 7], [3, 1, 0], [8, 8, 8], [5, 0, 0]], dtype=torch.int32)
    return q, keys, values, tables, torch.tensor([150, 128, 0, 37], dtype=torch.int32)


def formula(q, k, v, mask, scale):
    """Attention in the type of its arguments, with plain operations."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    scores = q @ k.transpose(-1, -2) * scale
    visible = mask.visible(
        mask.query_positions(q.shape[2], q.device), torch.arange(k.shape[2], device=q.device)
    )
    if visible is None:
        return scores.softmax(dim=-1) @ v
    return scores.masked_fill(~visible, -torch.inf).softmax(dim=-1).masked_fill(~visible, 0.0) @ v


def prefill_error(actual, q, k, v, mask, scale):
    """Root mean square errors of `actual` and of `reference`, which rounds to the type only at the end."""
    exact = formula(q.double(), k.double(), v.double(), mask, scale)
    torchs = attend(q, k, v, mask, scale=scale, implementation="reference")
    assert actual.dtype == q.dtype
    return [(each.double() - exact).square().mean().sqrt().item() for each in (actual, torchs)]


def decode_error(actual, q, keys, values, tables, lengths, scale, window):
    """As `prefill_error`, over the keys gathered from their blocks."""
    k, v = (each[tables.long()].flatten(1, 2).transpose(1, 2) for each in (keys, values))
    mask = AttentionMask(True, window, lengths.long() - 1, lengths.long())
    return prefill_error(actual[:, :, None], q[:, :, None], k, v, mask, scale)


def loaded_by_model_attention():
    return "triton" in sys.modules or "model.attention.triton_kernels" in sys.modules


def run_prefill(q, k, v, mask, tile=16):
    from model.attention import triton_kernels

    one = triton_kernels.Tile(rows=16, keys=tile, warps=4, stages=1)
    return triton_kernels.attend_in_tiles(q, k, v, mask, scale=SCALE, tile=one)


def run_named(q, k, v, mask):
    return attend(q, k, v, mask, scale=SCALE, implementation="triton")


def run_decode(*tensors, **options):
    from model.attention import triton_decode

    return triton_decode.decode_paged(*tensors, scale=SCALE, **options)


def run_greedy(decoder, device="cpu", *, paged, graphed=False):
    """Tokens of three sequences: one alone, then all together, with drafts that are forgotten again."""
    runner = DecoderRunner(decoder.to(device), 12 * BLOCK_TOKENS)
    runner.reads_paged = paged
    if graphed:
        runner.use_graphs(None if device == "cuda" else lambda run: run)
    lengths = (2 * BLOCK_TOKENS - 3, 5, BLOCK_TOKENS)
    started = [runner.prefill([(7 * at + n) % 60 for at in range(n)], lambda: False) for n in lengths]
    sequences = [sequence for sequence, _ in started]
    texts = [[int(logits.argmax())] for _, logits in started]
    texts[0].append(int(runner.advance(sequences[:1], texts[0])[0].argmax()))
    for step in range(5):
        drafts = [[step] * (number % 2) for number in range(3)]  # ragged: some rows are padding
        new = [[text[-1], *draft] for text, draft in zip(texts, drafts, strict=True)]
        scores = runner.extend(sequences, new)
        for own, text, sequence, each in zip(
            scores.split([len(each) for each in new]), texts, sequences, new, strict=True
        ):
            text.append(int(own.logits[0].argmax()))
            runner.cache.truncate(sequence, sequence.length_tokens - len(each) + 1)
    return texts


def tiny_decoder(dtype=torch.float32):
    """Random weights, windowed layers and whole ones, two query heads for each key head."""
    rotary = RotaryConfig(1e4)
    config = DecoderConfig(
        "llama", 61, 64, 4, 2, 16, 32, 500, 1e-6, "silu", SCALE, rotary, windows=(None, 40, None)
    )
    torch.manual_seed(11)
    decoder = Decoder.uninitialised(config, dtype=dtype, device=torch.device("cpu"))
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return decoder


def run_choices():
    from model.attention import triton_decode, triton_kernels

    splits = [
        triton_decode.choose_splits(*each) for each in ((1, 32768, 132), (64, 32768, 132), (1, 90, 132))
    ]
    tiles = [
        triton_kernels.choose_tile(rows, width, torch.bfloat16, shared)
        for rows, width, shared in ((1, 32, 0), (900, 128, 0), (900, 128, 232448))
    ]
    return splits, tiles


@pytest.fixture(scope="module")
def interpret():
    """Runs a function of this module where the interpreter is on, and returns what it returns."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRITON_INTERPRET", "1")
            patch.setenv("OMP_NUM_THREADS", "1")
            assert not pool.submit(loaded_by_model_attention).result()  # it is imported at first use
        yield lambda function, *args, **options: pool.submit(function, *args, **options).result()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", PREFILL)
def test_prefill_errs_at_most_twice_as_much_as_torch(interpret, case, dtype):
    shape, mask = PREFILL[case]
    q, k, v = random_qkv(shape, dtype)
    ours, torchs = prefill_error(interpret(run_prefill, q, k, v, mask), q, k, v, mask, SCALE)
    assert ours <= 2 * torchs


@pytest.mark.parametrize("width", [32, 64, 128, 256])
def test_prefill_takes_every_head_width(interpret, width):
    q, k, v = random_qkv((1, 1, 1, 33, 70, width), torch.bfloat16)
    mask = AttentionMask(True, 40, torch.tensor([37]))
    ours, torchs = prefill_error(interpret(run_named, q, k, v, mask), q, k, v, mask, SCALE)
    assert ours <= 2 * torchs


def test_prefill_of_nothing_visible_gives_zeros_even_over_nan(interpret):
    q, k, v = random_qkv((1, 1, 1, 3, 5, 16), torch.float32)
    mask = AttentionMask(key_lengths=torch.tensor([0]))
    assert interpret(run_prefill, q, k * torch.nan, v * torch.nan, mask).eq(0).all()


def test_prefill_reads_transposed_and_expanded_views(interpret):
    q, k, v = random_qkv((2, 2, 2, 18, 18, 16), torch.float32)
    mask = AttentionMask(causal=True)
    views = [each.transpose(1, 2).contiguous().transpose(1, 2) for each in (q, k, v)]
    views[1], k = views[1][:1].expand_as(k), k[:1].expand_as(k)
    torch.testing.assert_close(
        interpret(run_prefill, *views, mask), interpret(run_prefill, q, k.contiguous(), v, mask)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("heads", "key_heads"), [(2, 2), (8, 2), (8, 1)])
def test_decode_errs_at_most_twice_as_much_as_torch(interpret, heads, key_heads, dtype):
    paged = random_paged(heads, key_heads, 16, dtype)
    ours, torchs = decode_error(interpret(run_decode, *paged, splits=2), *paged, SCALE, None)
    assert ours <= 2 * torchs


@pytest.mark.parametrize("splits", [1, 2, 17])
@pytest.mark.parametrize("window", [1, 5, 64, 70, 1000])
def test_decode_with_any_window_and_number_of_splits(interpret, window, splits):
    paged = random_paged(2, 1, 16, torch.float32)
    ours, torchs = decode_error(
        interpret(run_decode, *paged, window=window, splits=splits), *paged, SCALE, window
    )
    assert ours <= 2 * torchs


def test_decode_merges_more_splits_than_fit_into_one_step(interpret):
    q, keys, values, _, _ = random_paged(1, 1, 16, torch.float32)
    tables, lengths = torch.tensor([[4, 2, 0, 1, 3, 8, 6, 7, 5]]).int(), torch.tensor([570]).int()
    keys[5] *= 3  # the highest scores come in the second step, so that the first is rescaled
    paged = (q[:1], keys, values, tables, lengths)
    ours, torchs = decode_error(interpret(run_decode, *paged, splits=18), *paged, SCALE, None)
    assert ours <= max(2 * torchs, 2**-21)  # torch's own error is that of one rounding on some processors


@pytest.mark.parametrize("width", [64, 128, 256])
def test_decode_takes_every_head_width(interpret, width):
    paged = random_paged(2, 1, width, torch.bfloat16)
    ours, torchs = decode_error(interpret(run_decode, *paged), *paged, SCALE, None)
    assert ours <= 2 * torchs


def test_decode_gives_zeros_for_an_empty_sequence_and_ignores_unused_slots(interpret):
    q, keys, values, tables, _ = random_paged(2, 1, 16, torch.float32)
    lengths = torch.tensor([70, 0, 64, 1], dtype=torch.int32)
    expected = interpret(run_decode, q, keys, values, tables, lengths)
    assert expected[1].eq(0).all()
    used = torch.zeros(keys.shape[:2], dtype=torch.bool)
    for table, length in zip(tables.tolist(), lengths.tolist(), strict=True):
        for token in range(length):
            used[table[token // BLOCK_TOKENS], token % BLOCK_TOKENS] = True
    keys[~used], values[~used] = torch.nan, torch.nan
    assert interpret(run_decode, q, keys, values, tables, lengths).equal(expected)


def test_decode_reads_the_storage_of_the_cache(interpret):
    """Two forks of one past, in shared and out-of-order blocks, as the decoder's own path reads them."""
    rotary = RotaryConfig(1e4)
    config = DecoderConfig("llama", 8, 64, 4, 2, 16, 8, 500, 1e-6, "silu", SCALE, rotary, windows=(None, 40))
    cache = KVCache(config, 6 * BLOCK_TOKENS, dtype=torch.float32, device=torch.device("cpu"))
    filler, first = cache.open(), cache.open()
    cache.step([filler], [1])
    cache.append(first, *torch.randn(2, 2, 100, 2, 16))
    cache.close(filler)
    sequences = [first, cache.fork(first)]
    step = cache.step(sequences, [1, 1])
    q, k, v = random_qkv((2, 4, 2, 1, 1, 16), torch.float32)
    most = max(len(each.blocks) for each in sequences)
    tables = torch.tensor([each.blocks + [0] * (most - len(each.blocks)) for each in sequences]).int()
    lengths = torch.tensor([each.length_tokens for each in sequences]).int()
    for layer, window in enumerate(config.windows):
        keys, values, mask = step.extend(layer, k.transpose(1, 2), v.transpose(1, 2), window)
        expected = attend(q, keys, values, mask, scale=SCALE, implementation="reference")[:, :, 0]
        storage = cache.keys.codes[layer], cache.values.codes[layer]
        actual = interpret(run_decode, q[:, :, 0], *storage, tables, lengths, window=window)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_a_decoder_writes_the_same_by_the_kernel_as_by_gathered_blocks(interpret):
    gathered = run_greedy(tiny_decoder(), paged=False)
    assert interpret(run_greedy, tiny_decoder(), paged=True) == gathered
    assert interpret(run_greedy, tiny_decoder(), paged=True, graphed=True) == gathered
    assert len({token for text in gathered for token in text}) > 5


@pytest.mark.parametrize(
    ("in_8_bits", "choice", "expected"),
    [(False, "auto", False), (False, "gather", False), (True, "gather", False)],
)
def test_off_the_gpu_blocks_are_gathered(in_8_bits, choice, expected):
    cache = DecoderRunner(tiny_decoder(), 64, cache_in_8_bits=in_8_bits).cache
    assert reads_paged(choice, cache) is expected


def test_a_kernel_that_cannot_run_is_refused_when_asked_for():
    with pytest.raises(PagedDecodeUnavailable, match="not on a CUDA device"):
        reads_paged("kernel", DecoderRunner(tiny_decoder(), 64).cache)


def test_what_the_kernels_do_not_take_is_refused(interpret):
    q, k, v = random_qkv((1, 2, 2, 3, 3, 16), torch.float32)
    with pytest.raises(ValueError, match="allowed"):
        interpret(run_named, q, k, v, AttentionMask(allowed=torch.ones(1, 1, 3, 3, dtype=torch.bool)))
    with pytest.raises(ValueError, match="head widths"):
        interpret(run_named, q[..., :12], k[..., :12], v[..., :12], AttentionMask())
    with pytest.raises(ValueError, match="bfloat16"):
        interpret(run_named, q.double(), k.double(), v.double(), AttentionMask())
    with pytest.raises(ValueError, match="backward"):
        interpret(run_named, q.requires_grad_(), k, v, AttentionMask())
    q, keys, values, tables, lengths = random_paged(2, 1, 16, torch.float32)
    with pytest.raises(ValueError, match="int32"):
        interpret(run_decode, q, keys, values, tables.long(), lengths)
    with pytest.raises(ValueError, match="do not fit"):
        interpret(run_decode, q[:2], keys, values, tables, lengths)
    with pytest.raises(ValueError, match="window"):
        interpret(run_decode, q, keys, values, tables, lengths, window=0)


def test_splits_fill_the_card_and_tiles_fit_it(interpret):
    splits, tiles = interpret(run_choices)
    assert splits == [256, 5, 1]
    assert [(tile.rows, tile.keys) for tile in tiles] == [(16, 64), (64, 64), (128, 64)]


@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="the interpreter is on everywhere")
def test_a_cpu_without_the_interpreter_is_refused():
    q, k, v = random_qkv((1, 2, 2, 3, 3, 16), torch.float32)
    with pytest.raises(RuntimeError, match="CUDA device"):
        run_named(q, k, v, AttentionMask())


def test_a_missing_package_is_named(monkeypatch):
    q, k, v = random_qkv((1, 2, 2, 3, 3, 16), torch.float32)
    monkeypatch.delitem(sys.modules, "model.attention.triton_kernels", raising=False)
    monkeypatch.delattr("model.attention.triton_kernels", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(RuntimeError, match="not installed"):
        run_named(q, k, v, AttentionMask())
