"""Checkpoints that do not fit are refused; whole ones load from one file or from shards."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.huggingface_decoder import load_huggingface_decoder
from model.weights import WeightsError
from tests.model.tiny_decoders import CPU, oracle, save_checkpoint


def load(folder):
    return load_huggingface_decoder(folder, dtype=torch.float32, device=CPU)


def change_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("model.norm.weight"), "missing tensors: model.norm.weight;"),
        (lambda tensors: tensors.update({"surprise": torch.ones(1)}), "unknown tensors: surprise$"),
        (lambda tensors: tensors.update({"model.norm.weight": torch.ones(3)}), r"has shape \(3,\)"),
        (lambda tensors: tensors.update({"lm_head.weight": torch.ones(258, 48)}), "should be tied"),
    ],
    ids=["missing", "unknown", "shape", "untied head"],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change, message, tmp_path):
    save_checkpoint("qwen3", tmp_path)
    change_tensors(tmp_path, change)
    with pytest.raises(WeightsError, match=message):
        load(tmp_path)


def test_a_repeated_tied_head_and_stored_frequencies_are_harmless(tmp_path):
    save_checkpoint("qwen3", tmp_path)

    def repeat(tensors):
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)

    change_tensors(tmp_path, repeat)
    assert load(tmp_path).head is None


def test_shards_load_like_one_file(tmp_path):
    save_checkpoint("gemma3", tmp_path, max_shard_size="60KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    tokens = torch.arange(9)[None]
    with torch.inference_mode():
        torch.testing.assert_close(
            load(tmp_path)(tokens), oracle("gemma3")(tokens).logits, rtol=1e-4, atol=1e-4
        )


def test_a_shard_outside_the_folder_is_refused(tmp_path):
    folder = tmp_path / "checkpoint"
    save_checkpoint("llama", folder)
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    index = '{"weight_map": {"model.norm.weight": "../outside.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    with pytest.raises(WeightsError, match="outside"):
        load(folder)


def test_damaged_and_absent_files_are_refused(tmp_path):
    save_checkpoint("llama", tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="cannot be read"):
        load(tmp_path)
    weights.unlink()
    with pytest.raises(WeightsError, match="no weights file"):
        load(tmp_path)
