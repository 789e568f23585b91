"""Every decoder family against transformers on the same random weights, cached against uncached."""

from __future__ import annotations

import json

import pytest
import torch

from model.attention import IMPLEMENTATIONS
from model.config import ConfigError
from model.decoder_runner import DecoderRunner
from model.generator import DecodingOptions, Generator, never
from model.huggingface_decoder import config_from_huggingface, load_huggingface_decoder
from model.kv_cache import BLOCK_TOKENS
from tests.model.tiny_decoders import (
    CONFIGS,
    CPU,
    END,
    VOCAB_SIZE,
    byte_tokenizer,
    load_tiny,
    oracle,
    save_checkpoint,
)

WINDOWED = ("gemma3", "qwen2-window")
PAST_BLOCKS = 2 * BLOCK_TOKENS + 7


def random_tokens(*shape, seed=0):
    return torch.randint(0, VOCAB_SIZE, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", CONFIGS)
@torch.inference_mode()
def test_logits_agree_with_transformers(name, tmp_path):
    tokens = random_tokens(2, 40)
    torch.testing.assert_close(
        load_tiny(name, tmp_path)(tokens), oracle(name)(tokens).logits, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "gemma3"])
@torch.inference_mode()
def test_greedy_tokens_agree_with_transformers(name, tmp_path):
    prompt = random_tokens(1, 20)
    options = DecodingOptions(max_new_tokens=30)
    generator = Generator("tiny", load_tiny(name, tmp_path), byte_tokenizer())
    ours = [piece.token_id for piece in generator.generate(prompt[0].tolist(), options)]
    theirs = oracle(name).generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=30, do_sample=False, pad_token_id=0
    )
    assert ours == theirs[0, 20:].tolist()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@torch.inference_mode()
def test_attention_implementations_give_the_same_logits(implementation, tmp_path):
    decoder = load_tiny("gemma3", tmp_path)
    tokens = random_tokens(1, 30)
    expected = decoder(tokens)
    decoder.implementation = implementation
    torch.testing.assert_close(decoder(tokens), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("chunk_tokens", [1, 50])
@torch.inference_mode()
def test_cached_states_equal_uncached(name, chunk_tokens, tmp_path):
    """Token by token and chunk by chunk, over several blocks and far past the window."""
    decoder = load_tiny(name, tmp_path)
    tokens = random_tokens(1, PAST_BLOCKS)
    cache = DecoderRunner(decoder, PAST_BLOCKS).cache
    sequence = cache.open()
    states = [
        decoder.hidden(chunk, cache.step([sequence], [chunk.shape[1]]))
        for chunk in tokens.split(chunk_tokens, dim=1)
    ]
    torch.testing.assert_close(torch.cat(states, dim=1), decoder.hidden(tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["qwen3", *WINDOWED])
@torch.inference_mode()
def test_a_batch_of_unequal_lengths_equals_single_sequences(name, tmp_path):
    """A padded prefill, then common steps: every row as if it were alone."""
    decoder = load_tiny(name, tmp_path)
    lengths = (3, PAST_BLOCKS, BLOCK_TOKENS)
    steps = 5
    tokens = random_tokens(3, PAST_BLOCKS + steps)
    cache = DecoderRunner(decoder, 4 * PAST_BLOCKS).cache
    sequences = [cache.open() for _ in lengths]
    padded = decoder.hidden(tokens[:, :PAST_BLOCKS], cache.step(sequences, lengths))
    found = [[padded[row, :length]] for row, length in enumerate(lengths)]
    for step in range(steps):
        column = torch.stack([tokens[row, length + step] for row, length in enumerate(lengths)])[:, None]
        states = decoder.hidden(column, cache.step(sequences, [1] * 3))
        for row, row_states in enumerate(found):
            row_states.append(states[row])
    for row, length in enumerate(lengths):
        alone = decoder.hidden(tokens[row : row + 1, : length + steps])[0]
        torch.testing.assert_close(torch.cat(found[row]), alone, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_prefill_in_chunks_equals_prefill_at_once(tmp_path, monkeypatch):
    runner = DecoderRunner(load_tiny("gemma3", tmp_path), 200)
    tokens = random_tokens(1, 90)[0].tolist()
    expected = runner.prefill(tokens, never)[1]
    monkeypatch.setattr("model.decoder_runner.PREFILL_CHUNK_TOKENS", 16)
    torch.testing.assert_close(runner.prefill(tokens, never)[1], expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_bfloat16_stays_close_and_norms_stay_float32(tmp_path):
    folder = save_checkpoint("qwen3", tmp_path)
    decoder = load_huggingface_decoder(folder, dtype=torch.bfloat16, device=CPU)
    assert decoder.norm.weight.dtype == torch.float32
    tokens = random_tokens(1, 20)
    expected = oracle("qwen3")(tokens).logits
    assert (decoder(tokens) - expected).abs().mean() < 0.05 * expected.abs().mean()


def test_older_spellings_of_a_gemma_config_mean_the_same():
    raw = CONFIGS["gemma3"].to_dict()
    newer = config_from_huggingface(raw)
    older = {key: value for key, value in raw.items() if key not in ("rope_parameters", "layer_types")}
    older |= {"rope_theta": 1_000_000.0, "rope_local_base_freq": 10_000.0, "sliding_window_pattern": 6}
    assert config_from_huggingface(older) == newer
    assert newer.windows == (8, 8, 8, 8, 8, None, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2'"),
        ({"hidden_act": "relu"}, "activation 'relu'"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}, "'yarn'"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, "part of the head"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
        ({"layer_types": ["chunked_attention"] * 7}, "layer_types"),
        ({"num_key_value_heads": 3}, "divide"),
    ],
)
def test_what_is_not_implemented_is_refused(change, message):
    raw = json.loads(json.dumps(CONFIGS["llama"].to_dict())) | change
    with pytest.raises(ConfigError, match=message):
        config_from_huggingface(raw)


def test_a_config_without_a_field_is_refused_by_its_name():
    raw = CONFIGS["llama"].to_dict()
    del raw["hidden_size"]
    with pytest.raises(ConfigError, match="hidden_size"):
        config_from_huggingface(raw)


def test_the_end_token_is_outside_the_bytes():
    assert byte_tokenizer().token_bytes(END) == b""
