"""The encoder against transformers on the same tensors, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.config import ConfigError, EncoderConfig
from model.encoder import load_encoder
from model.weights import WeightsError
from tests.model.tiny import CONFIG, VOCABULARY, write_encoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_encoder(tmp_path)


def test_token_vectors_equal_those_of_transformers(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertModel(transformers.BertConfig(**CONFIG), add_pooling_layer=False).eval()
    theirs.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    ids = torch.randint(4, len(VOCABULARY), (3, 12), generator=torch.Generator().manual_seed(1))
    types = (torch.arange(12) > 4).long().expand(3, 12)
    lengths = torch.tensor([12, 9, 3])
    real = torch.arange(12) < lengths[:, None]
    with torch.inference_mode():
        expected = theirs(ids, attention_mask=real.long(), token_type_ids=types).last_hidden_state
        ours = load_encoder(folder)(ids, lengths, types)
    torch.testing.assert_close(ours[real], expected[real], rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing(folder: Path) -> None:
    encoder = load_encoder(folder)
    ids = torch.randint(4, len(VOCABULARY), (1, 7), generator=torch.Generator().manual_seed(2))
    padded = torch.cat([ids, torch.full((1, 9), 5)], dim=1)
    with torch.inference_mode():
        alone = encoder(ids, torch.tensor([7]))
        batched = encoder(padded, torch.tensor([7]))[:, :7]
    torch.testing.assert_close(alone, batched, rtol=1e-4, atol=1e-5)


def test_a_row_past_the_positions_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="65 tokens exceed"):
        load_encoder(folder)(torch.zeros(1, 65, dtype=torch.int64), torch.tensor([65]))


def test_constants_and_pretraining_heads_are_ignored(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    prefixed = {f"bert.{name}": tensor for name, tensor in tensors.items()}
    prefixed["bert.embeddings.position_ids"] = torch.arange(64)[None]
    prefixed["bert.pooler.dense.bias"] = torch.zeros(32)
    save_file(prefixed, folder / "model.safetensors")
    assert load_encoder(folder).config.width == 32


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_missing_and_extra_tensors_are_refused(folder: Path, change: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    if change == "missing":
        del tensors["encoder.layer.1.output.dense.weight"]
    else:
        tensors["encoder.layer.1.adapter.weight"] = torch.zeros(2)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"encoder\.layer\.1\.(output\.dense|adapter)\.weight"):
        load_encoder(folder)


@pytest.mark.parametrize(
    "change",
    [{"model_type": "roberta"}, {"hidden_act": "relu"}, {"position_embedding_type": "relative_key"}],
)
def test_another_architecture_is_refused(folder: Path, change: dict[str, str]) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | change))
    with pytest.raises(ConfigError, match=next(iter(change))):
        load_encoder(folder)


def test_a_config_without_a_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="hidden_size"):
        EncoderConfig.from_huggingface({key: value for key, value in CONFIG.items() if key != "hidden_size"})


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="does not divide"):
        EncoderConfig.from_huggingface(CONFIG | {"num_attention_heads": 5})
