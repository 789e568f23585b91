"""The verifier's recipe on invented claims: its data rules, its measures, training end to end."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.claim_verifier import ClaimVerifier
from model.encoder import load_encoder
from model.registry import (
    RERANKER_FILE,
    VERIFIER_FILE,
    resolve_encoder,
    resolve_verifier,
)
from model.reranker_file import Calibration, save_reranker
from model.tokenizer import EncoderTokenizer
from model.train.claims import edits
from model.train.claims.data import (
    CONTRADICTED,
    NOT_SUPPORTED,
    SUPPORTED,
    Example,
    contradicting,
    fingerprint,
    load_judged,
    window,
    without_duplicates,
)
from model.train.claims.material import load_material
from model.train.claims.mix import mixed
from model.train.claims.statements import declarative, yes_or_no
from model.train.claims.verdicts import (
    balanced_accuracy,
    decided,
    expected_calibration_error,
    fit_calibration,
    fit_shares,
    macro_f1,
    reliability,
    verdict_logits,
)
from model.train.curve import loss_curve
from model.train.data import split_of
from model.train.trainer import build_model
from model.train.verifier import (
    VerifierRecipe,
    VerifierTrainer,
    build_network,
    held_out,
    resolve_base,
    token_targets,
    train,
)
from model.verifier import make_rows
from model.verifier_file import load_verifier
from tests.model.invented_claims import write_claims
from tests.model.tiny import write_encoder

PAIRS = [
    ("anna paints the boat red", "anna paints the boat red"),
    ("boris paints the lamp", "the lamp is black"),
]
RECIPE = VerifierRecipe(
    steps=12,
    batch_tokens=256,
    peak_rate=3e-3,
    frozen_layers=1,
    evaluate_every=0.5,
    monitor_claims=12,
    held_out_claims=24,
    max_tokens=48,
    bfloat16=False,
)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    (tmp_path / "encoder").mkdir()
    return write_encoder(tmp_path / "encoder")


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("who paints the boat", "Anna", "Anna paints the boat."),
        ("When was the bridge opened?", "1931", "The bridge was opened in 1931."),
        ("When did the ferry start?", "May 5, 1931", "The ferry started on May 5, 1931."),
        ("Why did the ferry stop?", "the ice was thick", "The ferry stopped because the ice was thick."),
        ("What is the capital of Orrel?", "Wend", "The capital of Orrel is Wend."),
        ("Where is the lamp?", "the tower", "The lamp is in the tower."),
        ("how many people live in Wend", "4,000", "4,000 people live in Wend."),
        ("What happened to the boat?", "it sank", None),
        ("What did Anna do?", "paint", None),
    ],
)
def test_questions_become_statements_where_a_rule_is_safe(
    question: str, answer: str, said: str | None
) -> None:
    made = declarative(question, answer)
    assert (made and made.text) == said
    if made is not None:
        assert answer in made.text[made.start :]


def test_yes_and_no_become_statements() -> None:
    holds, fails = (yes_or_no("Does ice stop the ferry?", holds=holds) for holds in (True, False))
    assert holds is not None
    assert fails is not None
    assert (holds.text, fails.text) == ("Ice stops the ferry.", "Ice does not stop the ferry.")
    assert yes_or_no("Is ice cold?", holds=True) is None


def test_edits_mark_what_they_changed() -> None:
    chance = random.Random(0)
    sentence = "On 5 May 1931 the bridge of Anna Holm was opened with 12 lanes."
    number = edits.swap_number(sentence, ["1890", "40"], chance)
    name = edits.swap_name(sentence, ["Boris Lund"], chance)
    assert number is not None
    assert name is not None
    for edit in (
        number,
        name,
        edits.negate(sentence, chance),
        edits.oppose(sentence.replace("12", "more"), chance),
    ):
        assert edit is not None
        assert edit.text != sentence
        ((start, end),) = edit.changed
        assert (
            edit.text[:start] == sentence.replace("12", "more")[:start]
            or edit.text[:start] == sentence[:start]
        )
        assert edit.text[start:end]
    assert name.text == sentence.replace("Anna Holm", "Boris Lund")
    denied = edits.negate("The ferry is not open.", random.Random(1))
    assert denied is not None
    assert denied.text == "The ferry is open."


def test_sentences_end_where_sentences_end() -> None:
    assert edits.sentences("Dr. Holm came. He left at 5 p.m. today! Why?") == [
        "Dr. Holm came.",
        "He left at 5 p.m. today!",
        "Why?",
    ]
    assert edits.shorten("In May, the ferry (a steamer) ran daily, which was new.", random.Random(2)) in (
        "The ferry (a steamer) ran daily, which was new.",
        "In May, the ferry ran daily, which was new.",
        "In May, the ferry (a steamer) ran daily.",
    )


def test_windows_hold_what_is_needed_and_little_more() -> None:
    parts = ["one two three"] * 9
    for seed in range(9):
        first, last = window(parts, (4, 5), 12, random.Random(seed))
        assert first <= 4
        assert last >= 6
        assert last - first == 4


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_claims(tmp_path / "data")


def test_judged_sets_keep_their_labels_and_what_lacks_support(data: Path) -> None:
    judged = load_judged(data)
    by_source: dict[str, set[tuple[str, int]]] = {}
    for item in judged:
        by_source.setdefault(item.source, set()).add((item.claim, item.label))
    assert by_source["claims_scifact"] == {
        ("the boat is red", SUPPORTED),
        ("the boat is black", CONTRADICTED),
        ("the boat is black", NOT_SUPPORTED),
    }
    assert by_source["cited_expertqa"] == {
        ("the tower is white.", SUPPORTED),
        ("the tower is green.", NOT_SUPPORTED),
    }
    assert ("Does anna paint the boat? Yes.", SUPPORTED) in by_source["qa_pubmedqa"] or (
        "Anna paints the boat.",
        SUPPORTED,
    ) in by_source["qa_pubmedqa"]
    partly = next(item for item in judged if item.source == "claims_wice_partial" and item.lacks)
    assert [partly.claim[a:b] for a, b in partly.lacks or ()] == ["red"]
    whole = next(item for item in judged if item.source == "claims_wice_partial" and item.lacks == ())
    assert whole.claim == "anna paints the boat by the river."


def test_splits_share_no_passage_and_duplicates_leave_training(data: Path) -> None:
    material, _ = load_material(data)
    passages = material["train"].corpus.passages
    for split, part in material.items():
        assert all(split_of(passages[index]) == split for index in part.allowed)
        assert all(item.split == split for item in part.judged)
    texts = [{fingerprint(passages[i].text) for i in part.allowed} for part in material.values()]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    judged = load_judged(data)
    kept_out = next(item for item in judged if item.split == "test")
    trained = next(item for item in judged if item.split == "train" and item.source == kept_out.source)
    twin = dataclasses.replace(trained, sentences=tuple(part.upper() for part in kept_out.sentences))
    kept, dropped = without_duplicates([kept_out, twin, trained])
    assert (kept, dropped) == ([kept_out, trained], 1)


def test_the_mix_is_deterministic_and_holds_every_verdict_and_source(data: Path) -> None:
    material, _ = load_material(data)
    first, second = (list(islice(mixed(material["train"], random.Random(5)), 300)) for _ in range(2))
    assert first == second
    assert {example.label for example in first} == {SUPPORTED, CONTRADICTED, NOT_SUPPORTED}
    assert len({example.source for example in first}) == 6
    for example in first:
        assert all(0 <= a < b <= len(example.claim) for a, b in example.lacks or ())
        if example.label == SUPPORTED:
            assert example.lacks == ()


def test_only_a_supported_statement_is_turned_round(data: Path) -> None:
    judged = load_judged(data)
    supported = next(item for item in judged if item.claim == "the boat is red")
    turned = contradicting(supported, random.Random(0))
    assert turned is not None
    assert (turned.claim, turned.label) == ("the boat is not red", CONTRADICTED)
    assert contradicting(turned, random.Random(0)) is None


# Measures and the recipe


def test_measures_follow_their_definitions() -> None:
    labels = np.array([0, 0, 1, 2])
    predicted = np.array([0, 1, 1, 0])
    assert balanced_accuracy(predicted == 0, labels) == pytest.approx(0.5)
    assert macro_f1(predicted, labels) == pytest.approx((2 / 4 + 2 / 3 + 0) / 3)
    assert decided(np.array([[0.5, 0.4, 0.1], [0.4, 0.2, 0.4]])).tolist() == [0, 2]
    bins = reliability(np.array([0.95, 0.95, 0.05]), np.array([True, False, False]))
    assert expected_calibration_error(bins) == pytest.approx((0.45 * 2 + 0.05) / 3)


def test_calibration_puts_the_best_decision_at_one_half() -> None:
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 3, 900)
    logits = chance.normal(0, 1, (900, 3))
    logits[np.arange(900), labels] += 2.0
    logits[:, 0] += 3.0  # a network that says "supported" far too readily
    examples = [Example("", "", int(label), "") for label in labels]
    calibration = fit_calibration(torch.tensor(logits), examples)
    probabilities = calibration.probabilities(torch.tensor(logits)).double().numpy()
    assert balanced_accuracy(decided(probabilities) == 0, labels) > 0.8
    assert expected_calibration_error(reliability(probabilities[:, 0], labels == 0)) < 0.2


def test_the_head_starts_from_what_the_texts_share(encoder: Path) -> None:
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    model = build_network(resolve_encoder(str(encoder)), None, tokenizer.id, frozen_layers=1)
    held = Example("anna paints the boat", "anna paints the boat red", SUPPORTED, "")
    foreign = Example("anna paints the boat", "the lamp is black", NOT_SUPPORTED, "")
    fit_shares(model, [held, foreign] * 20)
    logits = verdict_logits(model, tokenizer, [held, foreign], 48)
    assert logits.argmax(-1).tolist() == [SUPPORTED, NOT_SUPPORTED]


def test_token_targets_name_the_words_that_lack_support(encoder: Path) -> None:
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    (row,) = make_rows(tokenizer, [("the boat is black", "the boat is red")], 48)
    assert token_targets(row, ((12, 17),), 12) == [-1, 0, 0, 0, 1, *[-1] * 7]
    assert token_targets(row, None, 12) == [-1.0] * 12


def test_the_loss_curve_is_a_picture() -> None:
    picture = loss_curve([1.0, 0.5, 0.4], [(0, 0.5), (3, 0.8)], quality_name="accuracy")
    assert picture.startswith("<svg")
    assert picture.count("<polyline") == 2
    assert "0.500 to 0.800" in picture
    assert loss_curve([], [], quality_name="accuracy").count("<polyline") == 0


@pytest.fixture
def reranker(tmp_path: Path, data: Path, encoder: Path) -> Path:
    """An untrained reranker whose upper block differs from the encoder's."""
    folder = tmp_path / "reranker"
    folder.mkdir()
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    model = build_model(encoder, load_material(data)[0]["train"].corpus, tokenizer)
    torch.nn.init.ones_(model.encoder.blocks[1].mlp_in.bias)  # type: ignore[union-attr, arg-type]
    save_reranker(folder / RERANKER_FILE, model, Calibration(), tokenizer.id, max_tokens=48)
    return folder


def test_upper_blocks_come_from_the_reranker_and_lower_ones_from_the_encoder(
    encoder: Path, reranker: Path
) -> None:
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    base = resolve_base(str(reranker))
    model = build_network(resolve_encoder(str(encoder)), base, tokenizer.id, frozen_layers=1)
    plain = load_encoder(encoder).state_dict()
    state = model.encoder.state_dict()
    assert torch.equal(state["blocks.0.mlp_in.bias"], plain["blocks.0.mlp_in.bias"])
    assert bool((state["blocks.1.mlp_in.bias"] == 1).all())


def make_trainer(data: Path, encoder: Path, work: Path, recipe: VerifierRecipe = RECIPE) -> VerifierTrainer:
    work.mkdir(exist_ok=True)
    torch.manual_seed(recipe.seed)
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    material, _ = load_material(data)
    model = build_network(resolve_encoder(str(encoder)), None, tokenizer.id, recipe.frozen_layers)
    monitor = held_out(material["dev"], recipe.monitor_claims, recipe.seed)
    return VerifierTrainer(material["train"], monitor, model, tokenizer, recipe, work, {})


def test_the_artifact_of_a_run_loads_in_the_scorer(
    data: Path, encoder: Path, reranker: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    results = train(data, out, RECIPE, "command", encoder_name=str(encoder), base=str(reranker))
    card = json.loads((out / "card.json").read_text())
    assert card["weights_sha256"] == resolve_verifier(str(out)).sha256
    assert set(card["data_sha256"]) == {path.name for path in data.iterdir()}
    assert 0 <= results["test"]["balanced_accuracy"] <= 1
    assert (out / "curve.svg").read_text().startswith("<svg")
    assert "| test | all |" in (out / "README.md").read_text()
    scores = ClaimVerifier.load(str(out), encoder=str(encoder), device="cpu").verify(PAIRS)
    np.testing.assert_allclose(scores.sum(1), 1.0, rtol=1e-5)
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    base = resolve_base(str(out))
    assert base is not None
    assert base.kind == "verifier"
    model = build_network(resolve_encoder(str(encoder)), base, tokenizer.id, frozen_layers=1)
    loaded = load_verifier(out / VERIFIER_FILE, resolve_encoder(str(encoder)), tokenizer.id).model
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    with pytest.raises(ValueError, match="other data or networks"):
        train(data, out, RECIPE, "command", encoder_name=str(encoder), base="encoder")
    file = data / "passages.jsonl.gz"
    file.write_bytes(file.read_bytes() + gzip.compress(b""))  # the same rows in other bytes
    with pytest.raises(ValueError, match="other data or networks"):
        train(data, out, RECIPE, "command", encoder_name=str(encoder), base=str(reranker))


def test_training_lowers_the_loss_and_leaves_the_frozen_part_alone(
    data: Path, encoder: Path, tmp_path: Path
) -> None:
    trainer = make_trainer(data, encoder, tmp_path / "work", dataclasses.replace(RECIPE, steps=40))
    before = {name: tensor.clone() for name, tensor in trainer.model.encoder.blocks[0].state_dict().items()}
    losses = trainer.run().losses
    assert np.mean(losses[-8:]) < np.mean(losses[:8])
    for name, tensor in trainer.model.encoder.blocks[0].state_dict().items():
        assert torch.equal(tensor, before[name])


def test_an_interrupted_run_resumes_to_the_same_losses(
    data: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_trainer(data, encoder, tmp_path / "whole").run()

    class Interrupted(Exception):
        pass

    trainer = make_trainer(data, encoder, tmp_path / "parts")
    update = trainer.update

    def interrupt(batch: Any) -> tuple[float, int]:
        if trainer.progress.step == 9:  # three steps after the checkpoint at half time
            raise Interrupted
        return update(batch)

    monkeypatch.setattr(trainer, "update", interrupt)
    with pytest.raises(Interrupted):
        trainer.run()
    resumed = make_trainer(data, encoder, tmp_path / "parts").run()
    assert resumed.step == whole.step == 12
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=1e-5)
    with pytest.raises(ValueError, match="another recipe"):
        make_trainer(data, encoder, tmp_path / "parts", dataclasses.replace(RECIPE, seed=8)).run()
