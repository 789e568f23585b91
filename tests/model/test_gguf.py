"""GGUF files written from tiny checkpoints: same logits as the original, same tokens as the engine's own."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch

from model.config import ConfigError
from model.decoder_names import places
from model.gguf_decoder import GGUFFile, config_from_gguf, load_gguf_decoder
from model.gguf_reader import QuickGGUFReader
from model.gguf_tokenizer import load_gguf_tokenizer
from model.huggingface_decoder import config_from_huggingface
from model.weights import WeightsError
from tests.model.tiny_decoders import CONFIGS, CPU, oracle

CONTROL, USER_DEFINED, NORMAL, BYTE = 3, 4, 1, 6
PIECES = ("a", "b", "ab", "abc", "c", "▁", "▁ab", "\n", "é", "▁▁", "bc")
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES, "<tag>", "  "]
TYPES = [2, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(PIECES), USER_DEFINED, USER_DEFINED]


def permuted(weight, heads):
    """Rows in the order that Llama's GGUF files have them: a rotated pair lies next to each other."""
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def write_gguf(path, name, *, drop=(), **metadata):
    """The checkpoint `oracle(name)` with the metadata that converters write."""
    config = config_from_huggingface(CONFIGS[name].to_dict())
    architecture = config.family
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config.max_tokens)
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.mlp_width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.key_value_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_rope_freq_base(config.rotary.base)
    if config.windows[0] is not None:
        writer.add_sliding_window(config.windows[0])
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([-float(index) for index in range(len(TOKENS))])
    writer.add_token_types(TYPES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(False)
    for key, value in metadata.items():
        writer.add_string(f"{architecture}.{key.replace('__', '.')}", value)
    theirs, ours = places(config, "huggingface"), places(config, "gguf")
    state = oracle(name).state_dict()
    for (source, place), target in zip(theirs.items(), ours, strict=True):
        if target in drop:
            continue
        values = (state[source] + place.add).numpy()
        if architecture == "llama" and (".attn_q." in target or ".attn_k." in target):
            values = permuted(values, config.heads if ".attn_q." in target else config.key_value_heads)
        writer.add_tensor(target, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("name", ["llama", "llama-biases", "qwen2", "qwen3"])
@torch.inference_mode()
def test_a_gguf_file_gives_the_logits_of_its_checkpoint(name, tmp_path):
    file = GGUFFile(write_gguf(tmp_path / "tiny.gguf", name))
    decoder = load_gguf_decoder(file, dtype=torch.float32, device=CPU)
    tokens = torch.arange(24)[None]
    torch.testing.assert_close(decoder(tokens), oracle(name)(tokens).logits, rtol=1e-4, atol=1e-4)


def test_missing_tensors_and_unknown_scaling_are_refused(tmp_path):
    file = GGUFFile(write_gguf(tmp_path / "a.gguf", "qwen3", drop=["blk.3.ffn_down.weight"]))
    with pytest.raises(WeightsError, match=r"missing tensors: blk\.3\.ffn_down\.weight"):
        load_gguf_decoder(file, dtype=torch.float32, device=CPU)
    file = GGUFFile(write_gguf(tmp_path / "b.gguf", "qwen3", rope__scaling__type="yarn"))
    with pytest.raises(ConfigError, match="yarn"):
        config_from_gguf(file)


def test_a_file_that_is_not_gguf_is_refused(tmp_path):
    path = tmp_path / "note.gguf"
    path.write_bytes(b"just some text that is long enough to be looked at" * 10)
    with pytest.raises(WeightsError, match="not a readable GGUF file"):
        GGUFFile(path)


def test_the_quick_reader_reads_what_the_packages_reader_reads(tmp_path):
    path = write_gguf(tmp_path / "tiny.gguf", "qwen3")
    ours, theirs = QuickGGUFReader(path), gguf.GGUFReader(path)
    assert list(ours.fields) == list(theirs.fields)
    for key, field in theirs.fields.items():
        assert ours.fields[key].contents() == field.contents()
        assert ours.fields[key].types == field.types


def test_the_tokenizer_merges_by_score_and_falls_back_to_bytes(tmp_path):
    tokenizer = load_gguf_tokenizer(GGUFFile(write_gguf(tmp_path / "tiny.gguf", "qwen3")))
    text = "ab abc<tag>  é\n🙂"
    tokens = tokenizer.encode(text)
    spelled = [TOKENS[token] for token in tokens]
    emoji = [f"<0x{byte:02X}>" for byte in "🙂".encode()]
    assert spelled == ["<s>", "ab", "▁", "abc", "<tag>", "  ", "é", "\n", *emoji]
    assert tokenizer.decode(tokens) == text
    assert tokenizer.special.end == {2}


def test_the_cached_tokenizer_is_the_same(tmp_path):
    file = GGUFFile(write_gguf(tmp_path / "tiny.gguf", "qwen3"))
    cache = tmp_path / "kept.json"
    first, second = load_gguf_tokenizer(file, cache), load_gguf_tokenizer(file, cache)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.json", "tiny.gguf"]
    assert cache.stat().st_mode == (tmp_path / "tiny.gguf").stat().st_mode  # for other users of the service
    text = "abc ab  <tag> é🙂 </s>"
    assert first.id == second.id
    assert first.encode(text) == second.encode(text)
    assert 2 not in first.encode(text)


@pytest.mark.parametrize("harm", [lambda whole: "", lambda whole: whole[: len(whole) // 2]])
def test_a_damaged_kept_tokenizer_is_built_and_kept_again(tmp_path, caplog, harm):
    file = GGUFFile(write_gguf(tmp_path / "tiny.gguf", "qwen3"))
    cache = tmp_path / "kept.json"
    built = load_gguf_tokenizer(file, cache)
    whole = cache.read_text()
    cache.write_text(harm(whole))
    assert load_gguf_tokenizer(file, cache).id == built.id
    assert str(cache) in caplog.text
    assert cache.read_text() == whole


def test_where_nothing_can_be_written_the_tokenizer_is_only_built(tmp_path, caplog):
    path = write_gguf(tmp_path / "tiny.gguf", "qwen3")
    tokenizer = load_gguf_tokenizer(GGUFFile(path), cache=path / "kept.json")  # a file is no folder
    assert tokenizer.encode("ab") == load_gguf_tokenizer(GGUFFile(path)).encode("ab")
    assert "built at every start" in caplog.text
    assert list(tmp_path.iterdir()) == [path]
