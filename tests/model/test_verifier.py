"""The verifier: what it reads, its network and file, and the scorer on top."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from model import overlap
from model.claim_verifier import ClaimVerifier
from model.encoder import load_encoder
from model.overlap import compare
from model.registry import (
    ARTIFACTS,
    VERIFIER_FILE,
    ModelNotFound,
    resolve_encoder,
    resolve_verifier,
)
from model.tokenizer import EncoderTokenizer
from model.verifier import VERDICTS, VerifierNetwork, make_rows, pad_rows
from model.verifier_file import VerdictCalibration, load_verifier, save_verifier
from model.weights import WeightsError
from tests.model.tiny import write_encoder

PAIRS = [
    ("anna paints the boat red", "the boat by the river was made by anna. anna paints the boat red"),
    ("boris paints the lamp", "the lamp is black"),
    ("", "the lamp is black"),
    ("where is the school", ""),
]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    (tmp_path / "encoder").mkdir()
    return write_encoder(tmp_path / "encoder")


def tiny_network(encoder: Path, seed: int = 0) -> VerifierNetwork:
    """A network whose head and marks are not zero."""
    model = VerifierNetwork(load_encoder(encoder), frozen_layers=1)
    torch.manual_seed(seed)
    for parameter in (model.marks.weight, *model.head.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture
def saved(tmp_path: Path, encoder: Path) -> Path:
    card = resolve_encoder(str(encoder))
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    save_verifier(
        tmp_path / VERIFIER_FILE,
        tiny_network(encoder),
        VerdictCalibration(2.0, (0.5, 0.0, -0.5)),
        encoder_sha256=card.sha256,
        tokenizer_id=tokenizer.id,
        max_tokens=48,
    )
    return tmp_path


# What the network reads


def test_marks_compare_numbers_by_value_and_words_by_stem() -> None:
    claim = "In 1,500 towns two dogs increased, Anna said never 1957"
    said = compare(claim, "Dogs increase in 1500 towns, 2 said Anna in 1956")

    def mark(word: str) -> int:
        return said.claim[claim.index(word)]

    assert mark("1,500") == mark("two") == overlap.SHARED_NUMBER
    assert mark("1957") == overlap.LONE_NUMBER
    assert mark("increased") == overlap.ALIKE
    assert mark("Anna") == overlap.SHARED_NAME
    assert mark("dogs") == overlap.SHARED
    assert mark("never") == overlap.NEGATION
    assert mark("In") == overlap.NEUTRAL
    shares = dict(zip(overlap.SHARES, said.shares, strict=True))
    assert shares["numbers"] == pytest.approx(2 / 3)
    assert shares["names"] == 1.0
    assert shares["denied"] == 1.0


def test_overlap_of_empty_texts_is_defined() -> None:
    assert compare("", "").shares == (1.0, 1.0, 1.0, 1.0, 0.0)
    assert compare("anna", "").shares[0] == 0.0


def test_rows_carry_a_mark_and_a_span_for_every_token(encoder: Path) -> None:
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    for row, (claim, _) in zip(make_rows(tokenizer, PAIRS, 24), PAIRS, strict=True):
        assert len(row.ids) == len(row.marks) <= 24
        assert all(mark < overlap.MARKS for mark in row.marks[: row.passage_start])
        assert all(mark >= overlap.MARKS for mark in row.marks[row.passage_start :])
        assert "".join(claim[a:b] for a, b in row.claim_spans) == claim.replace(" ", "")


# The network, its file and the scorer


def test_padding_changes_no_verdict(encoder: Path) -> None:
    tokenizer, model = EncoderTokenizer.load(encoder / "tokenizer.json"), tiny_network(encoder)
    rows = make_rows(tokenizer, PAIRS, 48)
    together, _ = model(pad_rows(tokenizer, rows))
    for index, row in enumerate(rows):
        alone, _ = model(pad_rows(tokenizer, [row]))
        torch.testing.assert_close(together[index], alone[0], rtol=1e-4, atol=1e-5)


def test_marks_reach_the_verdict(encoder: Path) -> None:
    tokenizer, model = EncoderTokenizer.load(encoder / "tokenizer.json"), tiny_network(encoder)
    batch = pad_rows(tokenizer, make_rows(tokenizer, PAIRS[:1], 48))
    other = dataclasses.replace(batch, marks=torch.zeros_like(batch.marks))
    assert not torch.allclose(model(batch)[0], model(other)[0], atol=1e-3)


def test_the_file_holds_only_what_differs_and_round_trips(saved: Path, encoder: Path) -> None:
    with safe_open(saved / VERIFIER_FILE, framework="pt") as file:
        names = set(file.keys())
    assert "encoder.words.weight" not in names
    assert not any(name.startswith("encoder.blocks.0.") for name in names)
    assert any(name.startswith("encoder.blocks.1.") for name in names)
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    loaded = load_verifier(saved / VERIFIER_FILE, resolve_encoder(str(encoder)), tokenizer.id)
    assert loaded.calibration == VerdictCalibration(2.0, (0.5, 0.0, -0.5))
    assert loaded.max_tokens == 48
    batch = pad_rows(tokenizer, make_rows(tokenizer, PAIRS, 48))
    torch.testing.assert_close(loaded.model(batch)[0], tiny_network(encoder)(batch)[0], rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other/1"}, "format"),
        ({"encoder_sha256": "0" * 64}, "encoder"),
        ({"tokenizer_sha256": "0" * 64}, "tokenizer"),
    ],
)
def test_a_file_for_something_else_is_refused(
    saved: Path, encoder: Path, change: dict[str, str], message: str
) -> None:
    tensors, metadata = read(saved / VERIFIER_FILE)
    save_file(tensors, saved / VERIFIER_FILE, metadata | change)
    with pytest.raises(WeightsError, match=message):
        ClaimVerifier.load(str(saved), encoder=str(encoder), device="cpu")


def test_missing_extra_and_misshapen_tensors_are_refused(saved: Path, encoder: Path) -> None:
    tensors, metadata = read(saved / VERIFIER_FILE)
    name = "head.out.weight"
    for changed in (
        {key: tensor for key, tensor in tensors.items() if key != name},
        tensors | {"encoder.words.weight": torch.zeros(2, 2)},
        tensors | {name: torch.zeros(2, 2)},
    ):
        save_file(changed, saved / VERIFIER_FILE, metadata)
        with pytest.raises(WeightsError):
            ClaimVerifier.load(str(saved), encoder=str(encoder), device="cpu")
    (saved / VERIFIER_FILE).write_bytes(b"torn")
    with pytest.raises(WeightsError, match="cannot be read"):
        ClaimVerifier.load(str(saved), encoder=str(encoder), device="cpu")


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118


def test_the_scorer_gives_probabilities_in_the_order_of_its_pairs(saved: Path, encoder: Path) -> None:
    verifier = ClaimVerifier.load(str(saved), encoder=str(encoder), device="cpu")
    assert verifier.id == resolve_verifier(str(saved)).id
    scores = verifier.verify(PAIRS)
    assert scores.shape == (4, len(VERDICTS))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(scores[::-1], verifier.verify(PAIRS[::-1]), rtol=1e-4)
    assert verifier.verify([]).shape == (0, len(VERDICTS))


def test_a_long_passage_is_judged_by_its_most_decided_window(saved: Path, encoder: Path) -> None:
    verifier = ClaimVerifier.load(str(saved), encoder=str(encoder), device="cpu")
    claim, passage = "anna paints the boat red", "the lamp is black. " * 20 + "anna paints the boat red"
    pieces = [piece for _, piece in verifier._pieces(claim, passage)]
    assert len(pieces) > 1
    assert pieces[-1].endswith("boat red")
    alone = verifier.verify([(claim, piece) for piece in pieces])
    whole = verifier.verify([(claim, passage)])[0]
    np.testing.assert_allclose(whole, alone[alone[:, 2].argmin()], rtol=1e-4)


def test_an_absent_verifier_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="verifier"):
        resolve_verifier(str(tmp_path))


@pytest.mark.weights
def test_the_built_in_verifier_tells_supported_from_contradicted() -> None:
    if not (ARTIFACTS / "verifier" / VERIFIER_FILE).is_file():
        pytest.skip("the verifier is not trained yet")
    passage = "Harlow Bridge was opened in May 1931. It carries two lanes of traffic."
    scores = ClaimVerifier.load(device="cpu").verify(
        [
            ("Harlow Bridge was opened in May 1931.", passage),
            ("Harlow Bridge was opened in May 1951.", passage),
        ]
    )
    assert scores[0, 0] >= 0.5 > scores[1, 0]
