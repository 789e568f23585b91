"""Refusals calibrated by the first token's lead and the best passage's score together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from model.adapter_file import RefusalByEvidence, load_answerer, save_answerer
from model.generator import Generator
from model.lora import add_lora, lora_tensors
from model.registry import ANSWERER_FILE
from model.train.answers.calibrate import Willingness, fit, fit_slope, rates, willingness, write
from model.train.answers.refusals import fit_bias
from tests.model.test_adapter import INFO, RANK
from tests.model.tiny_decoders import byte_tokenizer, load_tiny


def questions(count: int, *, of_margin: float, of_evidence: float) -> Willingness:
    """Questions whose two signals differ by so much between answerable and not, with unit noise."""
    chance = np.random.default_rng(3)
    answerable = chance.random(count) < 0.6
    sign = np.where(answerable, 1.0, -1.0)
    return Willingness(
        margins=-of_margin * sign + chance.normal(size=count),
        evidence=of_evidence * sign + chance.normal(size=count),
        answerable=answerable,
    )


def test_the_slope_is_the_ratio_of_what_the_signals_say() -> None:
    """For normal noise of one variance the best weights are the differences of the means."""
    found = questions(20_000, of_margin=1.0, of_evidence=0.5)
    assert fit_slope(found) == pytest.approx(0.5, abs=0.05)


def test_both_signals_refuse_more_at_the_same_cost_than_one() -> None:
    found = questions(4000, of_margin=1.0, of_evidence=0.8)
    both = rates(found, fit(found, 0.08))
    assert both["refused_when_answerable"] == pytest.approx(0.08, abs=0.01)
    first_token = rates(found, RefusalByEvidence(fit_bias(found.weighed(0.0), 0.08), 0.0))
    assert first_token["refused_when_answerable"] == pytest.approx(0.08, abs=0.01)
    assert both["refused_when_unanswerable"] is not None
    assert first_token["refused_when_unanswerable"] is not None
    assert both["refused_when_unanswerable"] > first_token["refused_when_unanswerable"]


def test_signals_that_speak_against_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="make no sense"):
        fit_slope(questions(500, of_margin=1.0, of_evidence=-1.0))


def test_margins_are_read_behind_the_products_prompt(tmp_path) -> None:
    """The best passages, best last, behind their titles; a tiny decoder, a scorer by hand."""
    generator = Generator("tiny", load_tiny("gemma3", tmp_path), byte_tokenizer(), answerer=INFO)
    seen: list[list[int]] = []
    plain_read = generator.runner.read

    def read(prompt, cancelled):
        seen.append(prompt.all)
        return plain_read(prompt, cancelled)

    generator.runner.read = read  # type: ignore[method-assign]

    class Scorer:
        def score(self, pairs):
            return np.array([0.2, 0.9, 0.6])

    texts = [{"title": "T", "text": f"text {number}."} for number in range(3)]
    record = {"question": "Which?", "answerable": True, "passages": texts}
    found = willingness([record], generator, Scorer(), passages=2)
    prompt = generator.tokenizer.decode(seen[0])
    assert "<1> T: text 2." in prompt
    assert "<2> T: text 1." in prompt
    assert "text 0." not in prompt
    assert found.evidence[0] == pytest.approx(np.log(9))
    assert np.isfinite(found.margins[0])
    assert len(generator.runner.cache._sequences) == 0


def test_the_calibration_is_written_into_file_and_card(tmp_path) -> None:
    tiny = load_tiny("gemma3", tmp_path / "tiny")
    add_lora(tiny, rank=RANK, alpha=INFO.alpha)
    save_answerer(tmp_path / ANSWERER_FILE, lora_tensors(tiny), INFO)
    (tmp_path / "card.json").write_text(json.dumps({"weights_sha256": "old", "results": {"dev": {}}}))
    before = load_answerer(tmp_path / ANSWERER_FILE)[0]
    write(tmp_path, RefusalByEvidence(-1.5, 0.25), {"slope": 0.25})
    tensors, info = load_answerer(tmp_path / ANSWERER_FILE)
    assert info == replace(INFO, by_evidence=RefusalByEvidence(-1.5, 0.25))
    assert all((tensors[name] == before[name]).all() for name in before)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["results"]["by_evidence"] == {"slope": 0.25}
    assert card["weights_sha256"] != "old"
