"""A cache in 8 bits: half of the bytes, what is read is near what was written, native and plain agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.cache_storage import to_8_bits
from model.decoder import Decoder
from model.decoder_runner import DecoderRunner
from model.decoder_tokenizer import PromptTokens
from model.kv_cache import BLOCK_TOKENS, KVCache
from model.native.decoder import NativeDecoder
from tests.model.test_native import CONFIGS, NEAR, closeness, filled, folder, random_decoder, rounding

CPU = torch.device("cpu")
GEMMA = CONFIGS["gemma"]
WIDE = replace(GEMMA, head_width=256)  # as the published models have it

__all__ = ["folder"]  # the fixture: it skips where nothing native can run


def cache_of(decoder: Decoder, *, in_8_bits: bool, dtype: torch.dtype = torch.float32) -> KVCache:
    return KVCache(decoder.config, 1024, dtype=dtype, device=CPU, in_8_bits=in_8_bits)


def test_a_group_loses_at_most_half_a_step_of_its_largest_number() -> None:
    vectors = torch.randn(50, 3, 64, generator=torch.Generator().manual_seed(1)) * torch.logspace(-6, 3, 64)
    vectors[7, 1] = 0
    codes, scales = to_8_bits(vectors)
    groups = vectors.unflatten(-1, (2, 32))
    error = (codes.unflatten(-1, (2, 32)) * scales.float()[..., None] - groups).abs().amax(dim=-1)
    assert bool((error <= groups.abs().amax(dim=-1) / 254 * 1.01).all())
    assert int(codes.abs().max()) == 127
    assert not codes[7, 1].any()


def test_it_takes_about_half_of_the_bytes_of_bfloat16() -> None:
    decoder = Decoder.uninitialised(WIDE, dtype=torch.bfloat16, device=CPU)
    whole, small = (cache_of(decoder, in_8_bits=each, dtype=torch.bfloat16) for each in (False, True))
    assert small.bytes_per_token == whole.bytes_per_token * 272 // 512
    assert small.keys.scales is not None
    held = 2 * (small.keys.codes.nbytes + small.keys.scales.nbytes)
    assert held == small.bytes_per_token * small.capacity_tokens


def test_forks_cuts_and_copies_carry_the_scales() -> None:
    cache = cache_of(random_decoder(GEMMA), in_8_bits=True)
    parent = cache.open()
    shape = (GEMMA.layers, BLOCK_TOKENS + 4, GEMMA.key_value_heads, GEMMA.head_width)
    keys, values = (torch.randn(shape, generator=torch.Generator().manual_seed(3)) for _ in "kv")
    cache.append(parent, keys, values)
    child = cache.fork(parent)
    cache.append(child, keys[:, :2] * 100, values[:, :2] * 100)
    cache.check_integrity()
    assert child.blocks[1] != parent.blocks[1]
    torch.testing.assert_close(cache.read(parent, 0)[0], keys, atol=0.03, rtol=0)
    torch.testing.assert_close(cache.read(child, 0)[0][:, : BLOCK_TOKENS + 4], keys, atol=0.03, rtol=0)
    torch.testing.assert_close(cache.read(child, BLOCK_TOKENS + 4)[1], values[:, :2] * 100, atol=3, rtol=0)


@pytest.mark.parametrize("chunk", [1, 30, 200])
def test_however_a_prompt_is_cut_plain_torch_reads_what_was_rounded(chunk: int) -> None:
    """Not what the step itself computed: the native step reads the cache too."""
    decoder = random_decoder(GEMMA)
    tokens = [(7 * index) % 272 for index in range(200)]

    def states(most: int) -> torch.Tensor:
        cache = cache_of(decoder, in_8_bits=True)
        sequence = cache.open()
        parts = [tokens[first : first + most] for first in range(0, 200, most)]
        steps = [
            decoder.hidden(torch.tensor([part]), cache.step([sequence], [len(part)]))[0] for part in parts
        ]
        return torch.cat(steps)

    assert closeness(states(chunk), states(90)) > 0.999
    assert closeness(states(chunk), decoder.hidden(torch.tensor([tokens]))[0]) > 0.99


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("lengths", "counts"), [([3], [1]), ([700], [1]), ([130], [2]), ([130], [150]), ([5, 300, 64], [1, 3, 2])]
)
def test_native_steps_read_it_as_plain_torch_does(
    folder: Path, name: str, lengths: list[int], counts: list[int]
) -> None:
    decoder = random_decoder(CONFIGS[name])
    oracle, native = rounding(decoder), NativeDecoder(decoder, folder)
    tokens = torch.arange(len(counts) * max(counts)).view(len(counts), -1) % 272
    new = [token for row, count in zip(tokens.tolist(), counts, strict=True) for token in row[:count]]
    states = []
    for fast in (False, True):
        cache = cache_of(decoder, in_8_bits=True)
        step = cache.step([filled(oracle, cache, length) for length in lengths], counts)
        if fast:
            states.append(native.hidden(new, step, is_prompt=len(counts) == 1 and counts[0] > 3))
        else:
            states.append(step.packed(oracle.hidden(tokens, step)))
    assert closeness(*states) > (NEAR if max(counts) < 100 else 0.99)


def test_what_native_steps_store_is_what_later_ones_and_plain_torch_read(folder: Path) -> None:
    decoder = random_decoder(WIDE)
    native, oracle = NativeDecoder(decoder, folder), rounding(decoder)
    tokens = [(11 * index) % 272 for index in range(90)]
    cache = cache_of(decoder, in_8_bits=True)
    sequence = cache.open()
    native.hidden(tokens, cache.step([sequence], [90]), is_prompt=True)
    other = cache.fork(sequence)
    fast = native.hidden([5], cache.step([sequence], [1]))
    plain = oracle.hidden(torch.tensor([[5]]), cache.step([other], [1]))[0]
    assert closeness(plain, fast) > NEAR


@pytest.mark.parametrize("is_native", [False, True])
def test_stitched_and_shared_prompts_go_through_it(folder: Path, *, is_native: bool) -> None:
    decoder = random_decoder(GEMMA)
    native = NativeDecoder(decoder, folder) if is_native else None
    whole = DecoderRunner(decoder, 1024, native=native)
    small = DecoderRunner(decoder, 1024, native=native, cache_in_8_bits=True)
    parts = [[3, 4, 5] * 9, [6, 7, 8, 9] * 20, [10, 11, 12]]
    for prompt in (PromptTokens(parts, "block"), PromptTokens(parts)):
        expected = whole.read(prompt, lambda: False)[1]
        for _ in range(2):  # the second time from what is stored
            found = small.read(prompt, lambda: False)[1]
            assert closeness(expected[None], found[None]) > 0.98
    assert small.passages.hits == 2
    assert small.prefixes.hit_tokens == 64
