"""The training recipe end to end on invented rows: it learns, resumes exactly, its artifact loads."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.pair_scorer import PairScorer
from model.registry import resolve_reranker
from model.tokenizer import EncoderTokenizer
from model.train.data import ListMaker, load_corpus, split_of
from model.train.evaluate import (
    Bm25,
    CandidateList,
    best_logits,
    fit_calibration,
    ranking_quality,
    refusal_rates,
)
from model.train.loop import Progress
from model.train.losses import binary_loss, listwise_loss
from model.train.optimisation import Budget, learning_rate
from model.train.reranker import main, train
from model.train.trainer import Recipe, Trainer, build_model
from tests.model.tiny import write_encoder

PEOPLE = ("anna", "boris", "clara", "david", "emma", "felix")
THINGS = ("house", "boat", "garden", "lamp", "tower", "bridge")
RECIPE = Recipe(
    steps=12,
    batch_tokens=256,
    max_pair_tokens=(24, 32),
    peak_rate=3e-3,
    frozen_layers=0,
    evaluate_every=0.5,
    monitor_questions=3,
    calibration_questions=4,
    test_questions=4,
    candidates=6,
    max_tokens=48,
)


def write_data(folder: Path) -> Path:
    """Two documents for each of 36 (person, thing): one says who paints it, the other mentions both."""
    passages: list[Any] = []
    questions: list[Any] = []
    misses: list[Any] = []
    groups: list[Any] = []
    for number, (person, thing) in enumerate((p, t) for p in PEOPLE for t in THINGS):
        title = f"{person} {thing}"
        said = f"the {thing} by the river was made by {person}. {person} paints the {thing} red"
        missed = f"{person} was in the school. the {thing} is black, the tower is white"
        first = len(passages)
        passages += [
            {"id": first, "title": title, "text": said, "set": "qa_qed_nq"},
            {"id": first + 1, "title": title, "text": missed, "set": "qa_qed_nq"},
        ]
        question = f"who paints the {thing}"
        other = (first + 2) % 72
        questions.append(
            {"id": f"q{number}", "query": question, "positive": first, "negatives": [other, first + 1]}
            | {"answers": [f"{person} paints"], "set": "qa_qed_nq"}
        )
        misses.append({"id": f"un-q{number}", "question": question, "context": missed})
        groups.append(
            {
                "query": f"what is the {thing}",
                "positive": f"a {thing} of {person}",
                "group": person,
                "focus": thing,
            }
        )
    for name, rows in (
        ("passages", passages),
        ("retrieval_qa_triples", questions),
        ("qa_derived_unanswerable", misses),
        ("retrieval_medquad", groups),
    ):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_data(tmp_path / "data")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    (tmp_path / "encoder").mkdir()
    return write_encoder(tmp_path / "encoder")


def make_trainer(data: Path, encoder: Path, work: Path, recipe: Recipe = RECIPE) -> Trainer:
    work.mkdir(exist_ok=True)
    torch.manual_seed(recipe.seed)
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    corpus = load_corpus(data)
    return Trainer(corpus, build_model(encoder, corpus, tokenizer), tokenizer, recipe, work, {})


def test_the_artifact_of_a_run_loads_in_the_scorer(data: Path, encoder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = train(data, out, RECIPE, "command", encoder_name=str(encoder))
    card = json.loads((out / "card.json").read_text())
    assert card["weights_sha256"] == resolve_reranker(str(out)).sha256
    assert set(card["data_sha256"]) == {path.name for path in data.iterdir()}
    assert 0 <= results["test"]["ndcg@10_after"] <= 1
    scores = PairScorer.load(str(out), device="cpu").score([("who paints the boat", "anna paints the boat")])
    assert 0 <= scores[0] <= 1
    file = data / "passages.jsonl.gz"
    file.write_bytes(file.read_bytes() + gzip.compress(b""))  # the same rows in other bytes
    with pytest.raises(ValueError, match="other data or networks"):
        train(data, out, RECIPE, "command", encoder_name=str(encoder))


def test_the_command_in_the_card_names_another_encoder(data: Path, encoder: Path, tmp_path: Path) -> None:
    out, sizes = tmp_path / "out", ("mined_negatives=0", "cloze_questions=0", "max_pair_tokens=24")
    few = ("monitor_questions=3", "calibration_questions=4", "test_questions=4", "max_tokens=48")
    sets = [part for size in (*sizes, *few) for part in ("--set", size)]
    options = ["--steps", "1", "--threads", "1", "--base", str(encoder), *sets]
    main(["--data", str(data), "--out", str(out), *options])
    card = json.loads((out / "card.json").read_text())
    assert card["command"].endswith(f" --base {encoder}")


def test_loss_goes_down(data: Path, encoder: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, steps=30)
    losses = make_trainer(data, encoder, tmp_path / "work", recipe).run().losses
    assert np.mean(losses[-6:]) < np.mean(losses[:6])


def test_an_interrupted_run_resumes_to_the_same_losses(
    data: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_trainer(data, encoder, tmp_path / "whole").run()

    class Interrupted(Exception):
        pass

    trainer = make_trainer(data, encoder, tmp_path / "parts")
    step = trainer._step

    def interrupt(*arguments: Any) -> None:
        if trainer.progress.step == 9:  # three steps after the checkpoint at half time
            raise Interrupted
        step(*arguments)

    monkeypatch.setattr(trainer, "_step", interrupt)
    with pytest.raises(Interrupted):
        trainer.run()
    resumed: Progress = make_trainer(data, encoder, tmp_path / "parts").run()
    assert resumed.step == whole.step == 12
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=1e-5)


def test_a_checkpoint_of_another_recipe_is_refused(data: Path, encoder: Path, tmp_path: Path) -> None:
    make_trainer(data, encoder, tmp_path / "work").run()
    other = dataclasses.replace(RECIPE, seed=8)
    with pytest.raises(ValueError, match="another recipe"):
        make_trainer(data, encoder, tmp_path / "work", other).run()


def test_splits_share_no_document_and_no_passage(data: Path) -> None:
    corpus = load_corpus(data)
    splits = {split: set(corpus.passages_of(split)) for split in ("train", "dev", "test")}
    assert sum(map(len, splits.values())) == len(corpus.passages)
    documents = [{corpus.passages[i].document for i in indices} for indices in splits.values()]
    assert not documents[0] & documents[1]
    assert not documents[0] & documents[2]
    for question in corpus.questions_of("train"):
        for index in (question.positive, *question.negatives, *question.near_misses):
            assert split_of(corpus.passages[index]) == "train"


def test_lists_put_an_answering_window_first(data: Path, encoder: Path) -> None:
    corpus = load_corpus(data)
    tokenizer = EncoderTokenizer.load(encoder / "tokenizer.json")
    maker = ListMaker(corpus, tokenizer, list_size=4)
    question = next(item for item in corpus.questions_of("train") if item.source == "qa_qed_nq")
    made = maker.make(question, 18, random.Random(1))
    assert made is not None
    assert [len(row) <= 18 for row in made.rows] == [True] * 4
    window = made.rows[0][made.passage_starts[0] :]
    answer = tokenizer.encode([question.answers[0]])[0]
    assert any(window[i : i + len(answer)] == answer for i in range(len(window)))


def test_losses_prefer_the_positive() -> None:
    right, wrong = torch.tensor([[3.0, -3.0, -3.0]]), torch.tensor([[-3.0, 3.0, -3.0]])
    assert listwise_loss(right) < listwise_loss(wrong)
    assert binary_loss(right) < binary_loss(wrong)
    assert float(listwise_loss(torch.zeros(2, 4))) == pytest.approx(np.log(4))


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(used, 1.0) for used in (0.0, 0.04, 0.08, 0.5, 1.0)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(1.0)
    assert rates[2] > rates[3] > rates[4] == pytest.approx(0.05)


def test_a_budget_counts_steps_or_seconds() -> None:
    assert Budget(60).used(5, 30.0) == 0.5
    assert Budget(60, steps=10).used(5, 1e9) == 0.5


def test_bm25_prefers_rare_shared_words() -> None:
    scores = Bm25([[1, 2, 3], [1, 1, 4], [1, 5, 6]]).scores([1, 4])
    assert scores.argmax() == 1
    assert scores[0] == scores[2]


def test_calibration_makes_half_an_even_bet(data: Path) -> None:
    chance = np.random.default_rng(0)
    calibration = fit_calibration(chance.normal(5, 1, 400), chance.normal(3, 1, 400))
    assert calibration.bias == pytest.approx(4, abs=0.15)
    assert calibration.temperature > 0
    rates = refusal_rates(calibration, np.array([9.0, 9.0]), np.array([0.0, 9.0]))
    assert rates["refused_when_answerable"] == 0.0
    assert rates["refused_when_unanswerable"] == 0.5


def test_ranking_quality_and_best_logits(data: Path) -> None:
    question = load_corpus(data).questions[0]
    lists = [CandidateList(question, [5, question.positive, 7], [False, True, True])]
    logits = [np.array([0.5, 2.0, 1.0])]
    quality = ranking_quality(lists, logits)
    assert quality["ndcg@10_before"] == pytest.approx(1 / np.log2(3))
    assert quality["ndcg@10_after"] == 1.0
    answerable, without = best_logits(lists, logits)
    assert (answerable[0], without[0]) == (2.0, 0.5)
