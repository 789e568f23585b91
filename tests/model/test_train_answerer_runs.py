"""The answerer's recipe end to end: from files to an adapter that loads, its calibration, its card."""

from __future__ import annotations

import gzip
import json
import logging
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.adapter_file import load_answerer
from model.lora import lora_tensors
from model.prompt_template import PromptTemplate
from model.registry import ANSWERER_FILE, sha256_of
from model.train.answerer import AnswererRecipe, AnswererTrainer, load_base, main, train
from model.train.answers import mix
from model.train.answers.data import load_answers
from model.train.answers.mix import PackMaker
from model.train.answers.refusals import RefusalMargins, fit_bias, refusal_margins, refusal_rates
from tests.model.invented_answers import (
    SPLITS,
    maker_of,
    own_row,
    write_checkpoint,
    write_data,
    write_own,
)

SMOKE = AnswererRecipe(
    steps=4, rank=2, alpha=4, answers_a_step=6, evaluate_every=0.5, monitor_packs=2, calibration_packs=3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("base"))


def in_other_bytes(file: Path) -> None:
    """The same rows in a file with another checksum."""
    file.write_bytes(file.read_bytes() + gzip.compress(b""))


def test_a_run_leaves_an_adapter_that_loads_with_its_card(
    folder: Path, checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, out = shutil.copytree(folder, tmp_path / "data"), tmp_path / "out"
    results = train(data, out, SMOKE, "the command", tmp_path, str(checkpoint))
    tensors, info = load_answerer(out / ANSWERER_FILE)
    assert any(bool(tensor.abs().sum() > 0) for name, tensor in tensors.items() if name.endswith(".b"))
    assert info.template == PromptTemplate()
    card = json.loads((out / "card.json").read_text())
    assert card["weights_sha256"] == sha256_of(out / ANSWERER_FILE)
    assert set(card["data_sha256"]) == {path.name for path in data.iterdir()}
    assert card["steps"] == SMOKE.steps
    assert card["recipe"]["rank"] == 2
    assert card["went_on_from_sha256"] is None
    told = (out / "README.md").read_text()
    assert "the command" in told
    assert "SQuAD" in told
    assert (out / "curve.svg").read_text().startswith("<svg")

    with caplog.at_level(logging.INFO, "model.train.loop"):
        assert train(data, out, SMOKE, "the command", tmp_path, str(checkpoint)) == results
    assert "this run is finished" in caplog.text
    in_other_bytes(data / "passages.jsonl.gz")
    with pytest.raises(ValueError, match=r"other data or networks; remove it and best\.pt"):
        train(data, out, SMOKE, "the command", tmp_path, str(checkpoint))


def make_trainer(
    folder: Path, checkpoint: Path, work: Path, recipe: AnswererRecipe = SMOKE
) -> AnswererTrainer:
    work.mkdir(exist_ok=True)
    _, decoder, tokenizer = load_base(str(checkpoint), work)
    training, held_out = (maker_of(load_answers(folder, split), tokenizer) for split in SPLITS[:2])
    return AnswererTrainer(decoder, training, held_out, recipe, work, {})


def test_training_goes_on_from_an_adapter(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(folder, first, SMOKE, "first", tmp_path, str(checkpoint))
    train(
        folder,
        second,
        replace(SMOKE, steps=1, peak_rate=0.0, rank=8, alpha=8),  # those of the first count
        "second",
        tmp_path,
        str(checkpoint),
        str(first),
    )
    before, _ = load_answerer(first / ANSWERER_FILE)
    after, info = load_answerer(second / ANSWERER_FILE)
    assert (info.rank, info.alpha) == (SMOKE.rank, SMOKE.alpha)
    card = json.loads((second / "card.json").read_text())
    assert card["recipe"]["rank"] == SMOKE.rank
    assert card["went_on_from_sha256"] == sha256_of(first / ANSWERER_FILE)
    for name, factor in before.items():
        np.testing.assert_allclose(after[name], factor, atol=1e-3)


def test_a_part_of_the_start_is_mixed_into_the_result(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    trainer = make_trainer(folder, checkpoint, tmp_path / "work", replace(SMOKE, base_share=0.25))
    end = {name: factor.detach().clone() for name, factor in lora_tensors(trainer.decoder).items()}
    start = {name: torch.ones_like(factor) for name, factor in end.items()}
    trainer.mix_with(start)
    for name, factor in lora_tensors(trainer.decoder).items():
        torch.testing.assert_close(factor.detach(), 0.75 * end[name] + 0.25)


def test_the_development_loss_is_that_of_the_mixed_weights(
    folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(folder, first, SMOKE, "", tmp_path, str(checkpoint))
    recipe = replace(SMOKE, peak_rate=1e-2, base_share=1.0)
    results = train(folder, second, recipe, "", tmp_path, str(checkpoint), str(first))
    progress = torch.load(second / "work" / "checkpoint.pt", weights_only=True)["progress"]
    (_, start), *_ = progress["qualities"]
    assert progress["best"] > start
    assert results["development_loss"] == pytest.approx(-start, rel=1e-4)


def test_data_with_nothing_to_hold_out_is_refused(tmp_path: Path) -> None:
    file = write_own(tmp_path / "own.jsonl", [own_row(1)])
    with pytest.raises(ValueError, match="more documents"):
        train(file, tmp_path / "out", SMOKE, "", tmp_path)


def test_the_card_of_a_file_of_own_questions_speaks_of_them_alone(checkpoint: Path, tmp_path: Path) -> None:
    file = write_own(tmp_path / "own.jsonl", [own_row(n) for n in range(60)])
    out, sizes = tmp_path / "out", ("rank=2", "answers_a_step=6", "monitor_packs=2", "calibration_packs=3")
    options = ["--steps", "1", "--threads", "1", "--decoder", str(checkpoint), "--models", str(tmp_path)]
    sets = [part for size in sizes for part in ("--set", size)]
    main(["--data", str(file), "--out", str(out), *options, *sets])
    card, told = json.loads((out / "card.json").read_text()), (out / "README.md").read_text()
    assert set(card["data_sha256"]) == {file.name}
    assert card["licence"] == "that of the questions and their passages"
    assert card["command"].startswith("python -m model.train.answerer --data QUESTIONS.jsonl --out FOLDER")
    assert card["command"].endswith(f" --decoder {checkpoint}")
    assert "sets" not in card["mix"]
    for foreign in ("SQuAD", "Built-in", "CC-BY-SA"):
        assert foreign not in told


def test_an_interrupted_run_resumes_to_the_same_losses(
    folder: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_trainer(folder, checkpoint, tmp_path / "whole").run()

    class Interrupted(Exception):
        pass

    trainer = make_trainer(folder, checkpoint, tmp_path / "parts")
    step = trainer._step

    def interrupt(*arguments: Any) -> None:
        if trainer.progress.step == 3:  # one step after the checkpoint at half time
            raise Interrupted
        step(*arguments)

    monkeypatch.setattr(trainer, "_step", interrupt)
    with pytest.raises(Interrupted):
        trainer.run()
    resumed = make_trainer(folder, checkpoint, tmp_path / "parts").run()
    assert resumed.step == whole.step == SMOKE.steps
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=1e-4)


def test_a_checkpoint_of_another_recipe_is_refused(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    make_trainer(folder, checkpoint, tmp_path).run()
    with pytest.raises(ValueError, match="another recipe"):
        make_trainer(folder, checkpoint, tmp_path, replace(SMOKE, seed=8)).run()


def test_the_refusal_bias_costs_no_more_than_it_may() -> None:
    margins = RefusalMargins(np.linspace(-10, 1, 100), np.linspace(-2, 5, 100))
    bias = fit_bias(margins, 0.04)
    rates = refusal_rates(margins, bias)
    assert rates["refused_when_answerable"] == pytest.approx(0.04, abs=0.011)
    assert rates["refused_when_unanswerable"] > 0.4
    assert fit_bias(RefusalMargins(np.array([]), np.array([1.0])), 0.04) == 0.0


def margins(trainer: AnswererTrainer, maker: PackMaker, seed: int = 3) -> RefusalMargins:
    return refusal_margins(trainer.decoder, maker, list(b" [0]"), packs=6, seed=seed)


def test_margins_are_measured_without_dropout(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    trainer = make_trainer(folder, checkpoint, tmp_path / "work", replace(SMOKE, dropout=0.5))
    for name, factor in lora_tensors(trainer.decoder).items():
        if name.endswith(".b"):
            torch.nn.init.normal_(factor)
    maker = maker_of(load_answers(folder, "dev"))
    trainer.decoder.train()
    first = margins(trainer, maker)
    trainer.decoder.train()
    np.testing.assert_array_equal(margins(trainer, maker).answerable, first.answerable)


def test_margins_leave_out_what_asks_for_a_question(
    folder: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(folder, checkpoint, tmp_path / "work")
    maker = maker_of(load_answers(folder, "dev"))
    monkeypatch.setattr(mix, "ASK_SHARE", 0.0)
    alone = margins(trainer, maker)
    monkeypatch.setattr(mix, "ASK_SHARE", 1.0)
    assert any(branch.asks for branch in maker.documents(random.Random(3)).branches)
    np.testing.assert_allclose(margins(trainer, maker).answerable, alone.answerable, atol=0.1)  # bf16
