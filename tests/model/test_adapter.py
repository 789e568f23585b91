"""The answerer's adapter: its file, what it refuses to be merged into, and that merging changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers.processors import TemplateProcessing

from model.adapter_file import AnswererInfo, RefusalByEvidence, _metadata, load_answerer, save_answerer
from model.answerer import Answerer, AnswererMismatch
from model.decoder_tokenizer import load_tokenizer_folder
from model.generator import DecodingOptions, Generator, Segments
from model.lora import add_lora, lora_tensors
from model.prompt_template import PromptTemplate
from model.registry import ANSWERER_FILE, ModelNotFound, resolve_answerer, resolve_decoder
from model.weights import WeightsError
from tests.model.tiny_decoders import BEGIN, byte_tokenizer, load_tiny, save_checkpoint

RANK, ALPHA = 3, 6.0
TOKENS = torch.arange(40)[None]
INFO = AnswererInfo(PromptTemplate(passage="<{number}> {text}\n"), "b" * 64, "t" * 64, RANK, ALPHA, -0.75)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A tiny decoder's folder with the tokenizer of 256 bytes."""
    folder = save_checkpoint("gemma3", tmp_path_factory.mktemp("tiny"))
    tokenizer = byte_tokenizer()._tokenizer
    tokenizer.post_processor = TemplateProcessing(single="<begin> $A", special_tokens=[("<begin>", BEGIN)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def card(checkpoint):
    return resolve_decoder(str(checkpoint), checkpoint)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A decoder with adapters that change its answers, in values that fp16 holds exactly."""
    decoder = load_tiny("gemma3", tmp_path_factory.mktemp("trained"))
    add_lora(decoder, rank=RANK, alpha=ALPHA)
    torch.manual_seed(0)
    for tensor in lora_tensors(decoder).values():
        tensor.data = (torch.randn_like(tensor) * 0.2).half().float()
    return decoder


@pytest.fixture
def saved(tmp_path, trained, card):
    info = replace(INFO, base_sha256=card.sha256, tokenizer_sha256=tiny_tokenizer_id(card))
    save_answerer(tmp_path / ANSWERER_FILE, lora_tensors(trained), info)
    return tmp_path


def tiny_tokenizer_id(card):
    return load_tokenizer_folder(card.path).id


def load(card, answerer):
    return Generator.load(
        str(card.path), models_folder=card.path, device="cpu", dtype="float32", answerer=answerer
    )


def test_what_is_saved_is_loaded(tmp_path, trained):
    path = tmp_path / ANSWERER_FILE
    save_answerer(path, lora_tensors(trained), INFO)
    tensors, info = load_answerer(path)
    assert info == INFO
    assert [each.name for each in tmp_path.iterdir()] == [ANSWERER_FILE]
    assert load_file(path)["blocks.0.attention.qkv.a"].dtype == torch.float16
    assert tensors.keys() == lora_tensors(trained).keys()
    for name, tensor in lora_tensors(trained).items():
        assert torch.equal(tensors[name], tensor)


@torch.inference_mode()
def test_merged_weights_give_the_logits_of_the_adapters(saved, trained, card):
    generator = load(card, str(saved))
    base = load(card, None)
    expected = trained(TOKENS)
    torch.testing.assert_close(generator.runner.decoder(TOKENS), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(base.runner.decoder(TOKENS), expected, atol=0.1)
    assert generator.id == f"{card.id}+{resolve_answerer(str(saved)).id}"
    assert (base.id, base.template, base.refusal_bias) == (card.id, None, None)
    assert generator.template == INFO.template


def test_another_decoder_is_refused_before_its_weights_are_read(saved, card):
    other = replace(card, id="other@0123", sha256="0" * 64)
    with pytest.raises(AnswererMismatch, match=r"trained on a decoder with SHA-256 .*other@0123 has 0000"):
        Answerer.load(str(saved), other)


def test_another_tokenizer_is_refused(tmp_path, trained, card):
    save_answerer(tmp_path / ANSWERER_FILE, lora_tensors(trained), replace(INFO, base_sha256=card.sha256))
    with pytest.raises(AnswererMismatch, match="trained with tokenizer tttt"):
        load(card, str(tmp_path))


def test_an_absent_adapter_is_named(card, tmp_path):
    with pytest.raises(ModelNotFound, match=r"neither a packaged name nor a folder with answerer\.safetens"):
        load(card, str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "footnote-answerer/2"}, "has format 'footnote-answerer/2'"),
        ({"template": json.dumps({"preamble": "x"})}, "a prompt template has the fields"),
        ({"template": "{"}, "metadata that cannot be used"),
        ({"rank": "4"}, "another rank than 4"),
        ({"rank": "0"}, "metadata that cannot be used: rank 0"),
        ({"alpha": "nan"}, "metadata that cannot be used"),
        ({"no_answer_bias_by_evidence": "[0.5, -1.0]"}, "metadata that cannot be used: no_answer_bias_by"),
        ({"base_sha256": None}, "metadata that cannot be used: 'base_sha256'"),
    ],
)
def test_foreign_metadata_are_refused(tmp_path, trained, change, message):
    path = tmp_path / ANSWERER_FILE
    save_answerer(path, lora_tensors(trained), INFO)
    metadata = {name: value for name, value in {**_metadata(INFO), **change}.items() if value is not None}
    save_file(load_file(path), path, metadata)
    with pytest.raises(WeightsError, match=message):
        load_answerer(path)


def test_a_damaged_or_unfitting_file_is_refused(saved, card):
    path = saved / ANSWERER_FILE
    tensors, info = load_answerer(path)
    save_answerer(path, {**tensors, "blocks.99.a": torch.zeros(RANK, 1)}, info)
    with pytest.raises(WeightsError, match=r"unknown layers: blocks\.99\.a"):
        load(card, str(saved))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="cannot be read"):
        load_answerer(path)


def test_factors_that_fp16_cannot_hold_are_not_saved(tmp_path):
    with pytest.raises(WeightsError, match="finite"):
        save_answerer(tmp_path / ANSWERER_FILE, {"blocks.0.mlp.down.a": torch.full((3, 2), 1e6)}, INFO)
    assert not any(tmp_path.iterdir())


def test_segments_are_tokenised_one_by_one(saved, card):
    generator = load(card, str(saved))
    template = INFO.template
    texts = (template.preamble, template.passage_segment(1, "Eins [7]."), template.question_segment("Was?"))
    tokenizer = generator.tokenizer
    ids = [BEGIN, *(token for text in texts for token in tokenizer.encode(text, begin=False))]
    assert tokenizer.encode_segments(Segments(texts)).all == ids
    options = DecodingOptions(6)
    in_parts, at_once = (list(generator.generate(prompt, options)) for prompt in (Segments(texts), ids))
    assert [piece.token_id for piece in in_parts] == [piece.token_id for piece in at_once]


def test_the_tokenizers_id_follows_its_vocabulary():
    tokenizer, same, other = byte_tokenizer(), byte_tokenizer(), byte_tokenizer()
    other._tokenizer.add_tokens(["footnote"])
    assert tokenizer.id == same.id != other.id


def test_the_better_the_evidence_the_less_is_refused(tmp_path, trained, card):
    known = {"base_sha256": card.sha256, "tokenizer_sha256": tiny_tokenizer_id(card)}
    calibrated = replace(INFO, by_evidence=RefusalByEvidence(-1.0, 0.5), **known)
    save_answerer(tmp_path / ANSWERER_FILE, lora_tensors(trained), calibrated)
    assert load_answerer(tmp_path / ANSWERER_FILE)[1] == calibrated
    generator = load(card, str(tmp_path))
    token = generator.refusal_bias[0]
    assert generator.refusal_bias_at(None) == (token, INFO.no_answer_bias)
    assert generator.refusal_bias_at(0.5) == (token, -1.0)
    at = [generator.refusal_bias_at(score)[1] for score in (0.0, 0.01, 0.5, 0.99, 1.0)]
    assert at == sorted(at, reverse=True)
    assert at[0] == pytest.approx(-1.0 + 0.5 * 9.21, abs=0.01)  # nothing is certain beyond 0.0001


@pytest.mark.parametrize("beams", [1, 2])
def test_the_bias_of_a_refusal_acts_on_the_first_token_alone(saved, card, beams):
    generator = load(card, str(saved))
    token, bias = generator.refusal_bias
    assert (token, bias) == (ord(" "), -0.75)
    prompt = Segments(("Question:",))
    plain = [piece.token_id for piece in generator.generate(prompt, DecodingOptions(8, beams=beams))]
    assert plain[0] != token
    pushed = DecodingOptions(8, beams=beams, first_token_bias=(token, 1e4))
    pieces = list(generator.generate(prompt, pushed))
    assert pieces[0].token_id == token
    assert not all(piece.token_id == token for piece in pieces[1:])
    assert pieces[0].logprob < -0.1  # the model's own, without the bias
    forbidden = DecodingOptions(8, beams=beams, first_token_bias=(ord("["), 1e4), markers=())
    assert next(iter(generator.generate(prompt, forbidden))).token_id != ord("[")
