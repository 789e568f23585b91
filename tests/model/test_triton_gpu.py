"""The compiled Triton kernels on a real device, against the formula in float64.

Run alone: `pytest -m gpu tests/model/test_triton_gpu.py`. Larger than the interpreter's shapes: every tile of
the tables, lengths that are no multiple of one, and enough work to fill a card.
"""

from __future__ import annotations

import importlib.util

import pytest
import torch

from model.attention import AttentionMask, attend
from model.decoder_runner import DecoderRunner
from model.graphed_steps import FEWEST_BLOCKS, ROWS
from model.kv_cache import BLOCK_TOKENS
from model.paged_step import reads_paged
from tests.model.test_triton import (
    DTYPES,
    decode_error,
    prefill_error,
    random_paged,
    random_qkv,
    run_greedy,
    tiny_decoder,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible"),
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed"),
]
MASKS = {
    "everything": AttentionMask(),
    "causal": AttentionMask(causal=True),
    "window": AttentionMask(causal=True, window=300),
    "small window": AttentionMask(causal=True, window=5),
    "lengths": AttentionMask(key_lengths=torch.tensor([0, 701])),
    "later chunks": AttentionMask(True, None, torch.tensor([3, 300]), torch.tensor([600, 900])),
    "later chunks, window": AttentionMask(True, 100, torch.tensor([3, 300])),
}


def on_device(mask):
    return AttentionMask(
        mask.causal,
        mask.window,
        None if mask.query_start is None else mask.query_start.cuda(),
        None if mask.key_lengths is None else mask.key_lengths.cuda(),
    )


def assert_close_enough(errors, exact_values, dtype):
    """Twice torch's error; where torch is exact, the last bit of a fused multiplication is still allowed."""
    ours, torchs = errors
    assert ours <= 2 * torchs + torch.finfo(dtype).eps * exact_values.double().square().mean().sqrt().item()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [32, 64, 128, 256])
@pytest.mark.parametrize("rows", [1, 601])
def test_prefill_on_a_device(rows, width, dtype, mask):
    q, k, v = random_qkv((2, 4, 2, rows, 901, width), dtype, "cuda")
    mask = on_device(mask)
    actual = attend(q, k, v, mask, scale=width**-0.5, implementation="triton")
    assert_close_enough(prefill_error(actual, q, k, v, mask, width**-0.5), v, dtype)


@pytest.mark.parametrize("splits", [None, 1, 7, 40])
@pytest.mark.parametrize("window", [None, 1, 70])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize(("heads", "key_heads"), [(2, 2), (8, 2), (16, 1), (24, 1)])
def test_decode_on_a_device(heads, key_heads, width, dtype, window, splits):
    from model.attention.triton_decode import decode_paged

    paged = [each.cuda() for each in random_paged(heads, key_heads, width, dtype)]
    actual = decode_paged(*paged, scale=width**-0.5, window=window, splits=splits)
    assert_close_enough(decode_error(actual, *paged, width**-0.5, window), paged[2], dtype)


def test_decode_of_a_long_sequence_in_scattered_blocks():
    from model.attention.triton_decode import decode_paged

    length, width = 30_001, 128
    blocks = -(-length // 64)
    source = torch.Generator("cuda").manual_seed(3)
    keys, values = (
        torch.randn((blocks, 64, 2, width), generator=source, device="cuda").bfloat16() for _ in "kv"
    )
    tables = torch.randperm(blocks, generator=source, device="cuda").int()[None]
    q = torch.randn((1, 8, width), generator=source, device="cuda").bfloat16()
    lengths = torch.tensor([length], dtype=torch.int32, device="cuda")
    paged = (q, keys, values, tables, lengths)
    actual = decode_paged(*paged, scale=width**-0.5)
    ours, torchs = decode_error(actual, *paged, width**-0.5, None)
    assert ours <= 2 * torchs


def test_a_decoder_on_a_device_writes_the_same_by_the_kernel_as_by_gathered_blocks():
    assert run_greedy(tiny_decoder(), "cuda", paged=True) == run_greedy(tiny_decoder(), "cuda", paged=False)


def test_a_decoder_on_a_device_writes_the_same_by_replayed_steps():
    gathered = run_greedy(tiny_decoder(), "cuda", paged=False)
    assert run_greedy(tiny_decoder(), "cuda", paged=True, graphed=True) == gathered


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch", [1, 2, 5, 8, 16])
def test_replayed_steps_give_the_logits_of_plain_ones(batch, dtype, caplog):
    """Over the edge of a block and of the table's first width, with drafts, the first prompt being long."""
    lengths = [FEWEST_BLOCKS * BLOCK_TOKENS - 2, *range(BLOCK_TOKENS - 3, BLOCK_TOKENS + 12)][:batch]
    both = []
    for graphed in (False, True):
        runner = DecoderRunner(tiny_decoder(dtype).to("cuda"), 64 * BLOCK_TOKENS)
        runner.reads_paged = True
        if graphed:
            runner.use_graphs()
        prompts = [[(7 * at + n) % 60 for at in range(n)] for n in lengths]
        sequences = [runner.prefill(prompt, lambda: False)[0] for prompt in prompts]
        logits = [runner.advance(sequences, [step] * batch) for step in range(1, 6)]
        logits.append(runner.extend(sequences[:1], [[1, 2, 3]]).logits)
        both.append(torch.cat(logits))
    assert {rows for rows, _ in runner.graphs.shapes} == {4, next(n for n in ROWS if n >= batch)}
    assert not caplog.records  # a step that could not be captured is launched as before, and says so
    plain, replayed = both
    difference = (plain - replayed).square().mean().sqrt() / plain.square().mean().sqrt()
    assert difference < (1e-5 if dtype == torch.float32 else 2e-2)


@pytest.mark.parametrize(("in_8_bits", "expected"), [(False, True), (True, False)])
def test_auto_is_the_kernel_on_a_device_unless_the_cache_is_in_8_bits(in_8_bits, expected):
    decoder = tiny_decoder(torch.bfloat16).to("cuda")
    assert reads_paged("auto", DecoderRunner(decoder, 64, cache_in_8_bits=in_8_bits).cache) is expected
