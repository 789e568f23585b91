"""The encoder's native blocks against plain torch that rounds as they do, and against fp32."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.config import EncoderConfig
from model.encoder import Encoder
from model.native.encoder import PLAIN, NativeChoice, NativeEncoder, native_encoder
from model.native.library import NativeUnavailable
from model.native.packing import pack
from model.packed_encoder import PackedEncoder
from model.packed_tokens import PackedTokens
from model.pair_scorer import PairScorer
from model.tokenizer import TokenBatch
from tests.model.test_native import RoundedLinear, closeness

CPU = torch.device("cpu")
CONFIG = EncoderConfig(
    vocab_size=300,
    width=192,
    layers=3,
    heads=3,
    mlp_width=256,
    max_positions=200,
    token_types=2,
    norm_epsilon=1e-12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    try:
        NativeEncoder(random_encoder(), folder)
    except NativeUnavailable as reason:
        pytest.skip(str(reason))
    return folder


def random_encoder(config: EncoderConfig = CONFIG) -> Encoder:
    torch.manual_seed(8)
    encoder = Encoder(config).eval()
    for name, parameter in encoder.named_parameters():
        nn.init.normal_(parameter, mean=1.0 if name.endswith("norm.weight") else 0.0, std=0.12)
    return encoder.requires_grad_(False)


def rounding(encoder: Encoder) -> Encoder:
    """The same encoder with weights and inputs of its products rounded as the native blocks round them."""
    oracle = copy.deepcopy(encoder)
    for block in oracle.blocks:
        for name, child in list(block.named_children()):
            if isinstance(child, nn.Linear):
                child.weight.copy_(pack(child.weight).weight())
                setattr(block, name, RoundedLinear(child))
    return oracle


def packed(sizes: list[int]) -> tuple[TokenBatch, PackedTokens]:
    lengths = torch.tensor(sizes)
    generator = torch.Generator().manual_seed(sum(sizes))
    ids = torch.randint(0, 300, (len(sizes), max(sizes)), generator=generator)
    batch = TokenBatch(ids, torch.zeros_like(ids), lengths)
    return batch, PackedTokens.pack(batch)


def plain(encoder: Encoder, batch: TokenBatch, tokens: PackedTokens) -> Tensor:
    with torch.inference_mode():
        return tokens.take(encoder(batch.token_ids, batch.lengths, batch.token_types))


SIZES = pytest.mark.parametrize("sizes", [[1], [2, 1, 3], [64], [65, 7, 128, 1], [200, 199], [8] * 5])


@SIZES
def test_texts_of_any_length(folder: Path, sizes: list[int]) -> None:
    encoder = random_encoder()
    batch, tokens = packed(sizes)
    fast = PackedEncoder(encoder, CPU, native=NativeEncoder(encoder, folder, tiles=False))(tokens)
    assert fast.shape == (sum(sizes), CONFIG.width)
    assert closeness(plain(rounding(encoder), batch, tokens), fast) > 0.999
    assert closeness(plain(encoder, batch, tokens), fast) > 0.995


@SIZES
def test_texts_of_any_length_by_the_matrix_unit(folder: Path, sizes: list[int]) -> None:
    encoder = random_encoder()
    batch, tokens = packed(sizes)
    try:
        native = NativeEncoder(encoder, folder, tiles=True)
    except NativeUnavailable as reason:
        pytest.skip(str(reason))
    fast, full = PackedEncoder(encoder, CPU, native=native)(tokens), plain(encoder, batch, tokens)
    in_torch = PackedEncoder(encoder, CPU, torch.bfloat16)(tokens).float()
    assert closeness(full, fast) > 0.9995
    assert closeness(full, fast) > closeness(full, in_torch) - 1e-5


def test_a_text_does_not_depend_on_its_neighbours(folder: Path) -> None:
    encoder = random_encoder()
    native = PackedEncoder(encoder, CPU, native=NativeEncoder(encoder, folder))
    batch, tokens = packed([30, 90, 11])
    together = native(tokens)
    alone = TokenBatch(batch.token_ids[1:2, :90], batch.token_types[1:2, :90], batch.lengths[1:2])
    assert torch.equal(native(PackedTokens.pack(alone)), together[30:120])


def test_blocks_can_be_run_in_parts(folder: Path) -> None:
    encoder = random_encoder()
    native = PackedEncoder(encoder, CPU, native=NativeEncoder(encoder, folder))
    _, tokens = packed([40, 9])
    x = native.embed(tokens)
    half = native.run(native.run(x, tokens, slice(1)), tokens, slice(1, None))
    assert torch.equal(half, native(tokens))


def test_shapes_and_choices(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    narrow = random_encoder(EncoderConfig(300, 96, 1, 6, 160, 200, 2, 1e-12))
    assert native_encoder(random_encoder(), CPU, PLAIN) is None
    assert native_encoder(narrow, CPU, NativeChoice("auto", folder)) is None
    assert "scored by plain torch" in caplog.text
    with pytest.raises(NativeUnavailable, match="do not divide"):
        native_encoder(narrow, CPU, NativeChoice("native", folder))


@pytest.mark.weights
def test_the_built_in_reranker_scores_the_same(folder: Path) -> None:
    question = "When does the harbour ferry leave?"
    passages = [
        "The harbour ferry leaves every twenty minutes from six in the morning.",
        "Tickets for the ferry cost 4.50 crowns and are sold at the kiosk.",
        "Dr. Ines Valko led the survey of the northern reef until 2016. " * 12,
        "",
    ]
    pairs = [(question, passage) for passage in passages]
    fast = PairScorer.load(device="cpu", native=NativeChoice("native", folder)).score(pairs)
    full = PairScorer.load(device="cpu").score(pairs)
    assert abs(fast - full).max() < 0.02
    assert list(fast.argsort()) == list(full.argsort())
