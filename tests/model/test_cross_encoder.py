"""The cross-encoder: its sides and similarities, its file, and the scorer on top."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from model.cross_encoder import CrossEncoder, best_match_cosine, coverage, mean_cosine, sides
from model.encoder import load_encoder
from model.pair_scorer import PairScorer
from model.registry import ARTIFACTS, RERANKER_FILE, ModelNotFound, resolve_reranker
from model.reranker_file import Calibration, load_reranker, save_reranker
from model.tokenizer import EncoderTokenizer
from model.weights import WeightsError
from tests.model.tiny import write_encoder, write_tokenizer

PAIRS = [
    ("what is red", "the boat by the river is red"),
    ("who paints the boat", "anna paints the boat in the harbour. " * 20),
    ("", "the lamp is black"),
    ("where is the school", ""),
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with an untrained cross-encoder, calibrated and saved."""
    model = CrossEncoder(load_encoder(write_encoder(tmp_path)))
    torch.manual_seed(0)
    torch.nn.init.normal_(model.head.out.weight)
    tokenizer = EncoderTokenizer.load(tmp_path / "tokenizer.json")
    save_reranker(tmp_path / RERANKER_FILE, model, Calibration(2.0, 0.5), tokenizer.id, max_tokens=48)
    return tmp_path


def test_sides_leave_special_tokens_and_padding_out() -> None:
    types = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 0]])  # [CLS] q q [SEP] p p [SEP] [PAD]
    question, passage = sides(types, torch.tensor([7]))
    assert question.int().tolist() == [[0, 1, 1, 0, 0, 0, 0, 0]]
    assert passage.int().tolist() == [[0, 0, 0, 0, 1, 1, 0, 0]]


def test_similarities_follow_their_definitions() -> None:
    hidden = torch.randn(1, 7, 8, generator=torch.Generator().manual_seed(3))
    question = torch.tensor([[False, True, True, False, False, False, False]])
    passage = torch.tensor([[False, False, False, False, True, True, False]])
    weights = torch.tensor([[0.0, 0.25, 0.75, 0.0, 0.0, 0.0, 0.0]])
    unit = torch.nn.functional.normalize(hidden[0], dim=-1)
    best = [float((unit[i] @ unit[4:6].T).max()) for i in (1, 2)]
    mean = torch.nn.functional.cosine_similarity(hidden[0, 1:3].mean(0), hidden[0, 4:6].mean(0), dim=0)
    assert float(best_match_cosine(hidden, weights, passage)) == pytest.approx(
        0.25 * best[0] + 0.75 * best[1], abs=1e-6
    )
    assert float(mean_cosine(hidden, question, passage)) == pytest.approx(float(mean), abs=1e-6)
    ids = torch.tensor([[2, 11, 12, 3, 12, 13, 3]])
    expected = (
        0.75 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 160))
    )  # one of the two words, once, in a short passage
    assert float(coverage(ids, weights, passage)) == pytest.approx(expected)


def test_a_saved_reranker_scores_as_before(saved: Path) -> None:
    scorer = PairScorer.load(str(saved), device="cpu")
    model, calibration, max_tokens = load_reranker(
        saved / RERANKER_FILE, EncoderTokenizer.load(saved / "tokenizer.json").id
    )
    assert (calibration, max_tokens) == (Calibration(2.0, 0.5), 48)
    tokenizer = EncoderTokenizer.load(saved / "tokenizer.json")
    question, passage = tokenizer.encode(PAIRS[0])
    row, start = tokenizer.pair(question, passage, 48)
    batch = tokenizer.pad([row], [start])
    with torch.inference_mode():
        logit = model(batch.token_ids, batch.token_types, batch.lengths)
    expected = float(torch.sigmoid((logit - 0.5) / 2.0))
    assert float(scorer.score(PAIRS[:1])[0]) == pytest.approx(expected, abs=1e-6)


def test_batched_and_single_scores_agree(saved: Path) -> None:
    scorer = PairScorer.load(str(saved), device="cpu")
    together = scorer.score(PAIRS)
    alone = np.concatenate([scorer.score([pair]) for pair in PAIRS])
    assert together.dtype == np.float32
    assert ((together >= 0) & (together <= 1)).all()
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_bfloat16_agrees(saved: Path) -> None:
    tokenizer = EncoderTokenizer.load(saved / "tokenizer.json")
    model, calibration, max_tokens = load_reranker(saved / RERANKER_FILE, tokenizer.id)
    place = torch.device("cpu")
    half = PairScorer(
        model,
        calibration,
        tokenizer,
        identity="half",
        max_tokens=max_tokens,
        device=place,
        dtype=torch.bfloat16,
    )
    full = PairScorer.load(str(saved), device="cpu")
    np.testing.assert_allclose(full.score(PAIRS), half.score(PAIRS), atol=0.03)


def test_no_pairs_give_no_scores(saved: Path) -> None:
    assert PairScorer.load(str(saved), device="cpu").score([]).shape == (0,)


def test_only_the_end_of_a_long_passage_is_cut(saved: Path) -> None:
    scorer = PairScorer.load(str(saved), device="cpu")
    long = "anna paints the boat. " * 30
    scores = scorer.score([("who paints", long), ("who paints", long + "and the lamp")])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_another_tokenizer_is_refused(saved: Path, tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path)
    path.write_text(path.read_text() + "\n")
    with pytest.raises(WeightsError, match="trained with tokenizer"):
        PairScorer.load(str(saved), device="cpu")


@pytest.mark.parametrize("change", ["missing", "extra", "format", "damaged"])
def test_a_file_that_does_not_belong_is_refused(saved: Path, change: str) -> None:
    path = saved / RERANKER_FILE
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if change == "missing":
        del tensors["head.out.weight"]
    if change == "extra":
        tensors["head.more"] = torch.zeros(1)
    if change == "format":
        metadata["format"] = "footnote-cross-encoder/0"
    save_file(tensors, path, metadata)
    if change == "damaged":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError):
        PairScorer.load(str(saved), device="cpu")


def test_an_absent_reranker_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=RERANKER_FILE):
        resolve_reranker(str(tmp_path))


@pytest.mark.weights
def test_the_builtin_reranker_tells_an_answer_from_a_near_miss() -> None:
    question = "Who repaired the harbour lamp?"
    answer = "The harbour lamp was repaired by Clara Holm in the spring of 1931."
    near_miss = "The harbour was built in 1902 and has two piers and a small shipyard."
    scores = PairScorer.load("builtin", device="cpu").score([(question, answer), (question, near_miss)])
    assert scores[0] > 0.5 > scores[1]


@pytest.mark.weights
def test_the_builtin_reranker_stays_small() -> None:
    assert (ARTIFACTS / "reranker" / RERANKER_FILE).stat().st_size < 50_000_000
