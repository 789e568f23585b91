"""The decoder and its adapter as settings name them, on tiny random weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import app.wiring
from app.answers.few_shot import FewShotTemplate
from app.data_folders import passage_folder
from app.device_generator import DeviceGenerator
from app.device_worker import DeviceWorker
from app.errors import ConfigurationError, Overloaded
from app.services import GenerateOptions, Models
from app.settings import Settings, load_settings
from model.adapter_file import AnswererInfo, save_answerer
from model.decoder_tokenizer import load_tokenizer_folder
from model.generator import ContextOverflow, DecodingOptions
from model.lora import add_lora, lora_tensors
from model.prompt_template import PromptTemplate
from model.registry import ANSWERER_FILE, GEMMA_MODULE, GEMMA_PACKAGE, ModelCard, resolve_decoder
from tests.model.test_gguf import write_gguf
from tests.model.tiny import write_encoder
from tests.model.tiny_decoders import byte_tokenizer, load_tiny, save_checkpoint

ALLOWED = ("[0]", "[1]")


@pytest.fixture
def decoder_folder(tmp_path: Path) -> Path:
    folder = save_checkpoint("gemma3", tmp_path / "decoder")
    byte_tokenizer()._tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def settings_for(tmp_path: Path, decoder: Path, answerer: str) -> Settings:
    return load_settings(
        {}, data_dir=tmp_path, decoder=str(decoder), answerer=answerer, decoder_dtype="float32", device="cpu"
    )


def save_adapter(folder: Path, decoder: Path, base_sha256: str | None = None) -> Path:
    """An adapter that always refuses, by its bias alone."""
    folder.mkdir()
    tiny = load_tiny("gemma3", folder / "tiny")
    add_lora(tiny, rank=2, alpha=2.0)
    info = AnswererInfo(
        PromptTemplate(),
        base_sha256 or resolve_decoder(str(decoder), folder).sha256,
        load_tokenizer_folder(decoder).id,
        rank=2,
        alpha=2.0,
        no_answer_bias=1e4,
    )
    save_answerer(folder / ANSWERER_FILE, lora_tensors(tiny), info)
    return folder


OnDevice = Callable[[Settings], DeviceGenerator]


@pytest.fixture
def on_device() -> Iterator[OnDevice]:
    """Builds generators, each stepped by a worker of its own."""
    workers = []

    def build(settings: Settings) -> DeviceGenerator:
        generator = app.wiring._generator(settings)
        workers.append(DeviceWorker(max_pending=4, step=generator.scheduler.step))
        return DeviceGenerator(generator, workers[-1], prompt_lookup_tokens=settings.prompt_lookup_tokens)

    yield build
    for worker in workers:
        worker.close()


def test_the_trained_template_and_its_calibration_reach_the_application(
    tmp_path: Path, decoder_folder: Path, on_device: OnDevice
) -> None:
    adapter = save_adapter(tmp_path / "adapter", decoder_folder)
    generator = on_device(settings_for(tmp_path, decoder_folder, str(adapter)))
    assert generator.template == PromptTemplate()
    assert "+adapter@" in generator.id
    assert generator.count_tokens("four") == 4

    def answer(may_refuse: bool) -> str:
        options = GenerateOptions(4, markers=ALLOWED, may_refuse=may_refuse)
        return "".join(generator.generate(("Question", "?"), options, lambda: False))

    assert answer(may_refuse=True).startswith(" ")
    assert not answer(may_refuse=False).startswith(" ")


def test_without_adapter_the_decoder_is_shown_examples(
    tmp_path: Path, decoder_folder: Path, on_device: OnDevice
) -> None:
    generator = on_device(settings_for(tmp_path, decoder_folder, "none"))
    assert isinstance(generator.template, FewShotTemplate)
    assert "+" not in generator.id


def test_answers_at_once_are_what_each_is_alone_and_are_counted(
    tmp_path: Path, decoder_folder: Path, on_device: OnDevice
) -> None:
    """All are started before the first is read; they draft unless the setting says not to."""
    settings = settings_for(tmp_path, decoder_folder, "none")
    options = GenerateOptions(12, repetition_penalty=1.2)
    prompts = [("the same and the same", "?"), ("another one, one another", "!"), ("third", ".")]
    generator, plain = on_device(settings), on_device(settings.model_copy(update={"prompt_lookup_tokens": 0}))
    running = [generator.generate(prompt, options, lambda: False) for prompt in prompts]
    together = ["".join(pieces) for pieces in running]
    alone = ["".join(plain.generate(prompt, options, lambda: False)) for prompt in prompts]
    assert together == alone
    state = generator.state()
    assert state.drafted_tokens >= state.accepted_tokens > 0
    assert plain.state().drafted_tokens == 0
    assert (state.running, state.waiting, state.cache_free_tokens) == (0, 0, state.cache_tokens)


def test_after_a_restart_passages_come_from_the_disk(
    tmp_path: Path, decoder_folder: Path, on_device: OnDevice
) -> None:
    settings = settings_for(tmp_path, decoder_folder, "none").model_copy(update={"passage_disk_bytes": 10**6})

    def answer(generator: DeviceGenerator) -> str:
        options = GenerateOptions(8, mask="block")
        return "".join(generator.generate(("one ", "two ", "why?"), options, lambda: False))

    before, after = on_device(settings), on_device(settings)
    assert answer(before) == answer(after)
    assert (before.state().passage_misses, before.state().passage_disk_hits) == (2, 0)
    assert (after.state().passage_misses, after.state().passage_disk_hits) == (0, 2)
    assert before.state().passage_disk_bytes > 0


def test_a_prompt_over_the_context_is_refused_before_it_waits(
    tmp_path: Path, decoder_folder: Path, on_device: OnDevice
) -> None:
    generator = on_device(settings_for(tmp_path, decoder_folder, "none"))
    with pytest.raises(ContextOverflow):
        generator.generate(("long " * 1000,), GenerateOptions(4), lambda: False)


def test_an_adapter_of_another_decoder_is_a_clear_error(tmp_path: Path, decoder_folder: Path) -> None:
    adapter = save_adapter(tmp_path / "adapter", decoder_folder, base_sha256="0" * 64)
    settings = settings_for(tmp_path, decoder_folder, str(adapter))
    with pytest.raises(ConfigurationError, match=r"FOOTNOTE_ANSWERER=.*adapter does not fit") as caught:
        app.wiring._generator(settings)
    assert "FOOTNOTE_ANSWERER=none" in caught.value.next_step
    assert caught.value.code == "configuration_invalid"


@pytest.mark.parametrize(("answerer", "kinds"), [("builtin", ["decoder", "answerer"]), ("none", ["decoder"])])
def test_the_adapter_is_listed_with_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answerer: str, kinds: list[str]
) -> None:
    for name in [name for name in vars(app.wiring) if name.startswith("resolve_")]:
        kind = name.removeprefix("resolve_")
        card = ModelCard(f"{kind}@0", kind, "", "", "", tmp_path)  # type: ignore[arg-type]
        monkeypatch.setattr(app.wiring, name, lambda *_, card=card, **__: card)
    listed = app.wiring.model_cards(load_settings({}, answerer=answerer))
    assert [card.kind for card in listed if card.kind in ("decoder", "answerer")] == kinds


def test_the_tiny_adapter_changes_no_weights(tmp_path: Path, decoder_folder: Path) -> None:
    """Fresh factors are zero, so that what differs above is the bias alone."""
    adapter = save_adapter(tmp_path / "adapter", decoder_folder)
    merged, plain = (
        app.wiring._generator(settings_for(tmp_path, decoder_folder, answerer)).runner.decoder
        for answerer in (str(adapter), "none")
    )
    for name, parameter in plain.named_parameters():
        assert torch.equal(parameter, merged.get_parameter(name))


def test_a_cache_in_8_bits_is_a_setting_and_part_of_what_answers_depend_on(
    tmp_path: Path, decoder_folder: Path
) -> None:
    settings = settings_for(tmp_path, decoder_folder, "none")
    whole = app.wiring._generator(settings)
    small = app.wiring._generator(settings.model_copy(update={"cache_dtype": "int8"}))
    assert small.runner.cache.bytes_per_token < whole.runner.cache.bytes_per_token / 3  # of float32
    assert app.wiring._arithmetic(settings, small)["cache"] == "int8"
    assert "cache" not in app.wiring._arithmetic(settings, whole)
    options = DecodingOptions(max_new_tokens=6)
    assert len(list(small.generate("one and another", options))) == 6


def test_the_paged_kernel_where_it_cannot_run_is_a_clear_error(tmp_path: Path, decoder_folder: Path) -> None:
    settings = settings_for(tmp_path, decoder_folder, "none").model_copy(update={"paged_decode": "kernel"})
    with pytest.raises(
        ConfigurationError, match="FOOTNOTE_PAGED_DECODE=kernel is not possible here"
    ) as raised:
        app.wiring._generator(settings)
    assert "CUDA" in str(raised.value)


def test_replayed_steps_are_part_of_what_answers_depend_on(tmp_path: Path, decoder_folder: Path) -> None:
    settings = settings_for(tmp_path, decoder_folder, "none")
    generator = app.wiring._generator(settings)
    assert generator.runner.graphs is None  # off the GPU
    assert "steps" not in app.wiring._arithmetic(settings, generator)
    generator.runner.use_graphs(lambda run: run)
    assert app.wiring._arithmetic(settings, generator)["steps"] == "graphs"


@pytest.fixture
def decoder_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoder, reranker and verifier are only there."""
    for name in ("_embedder", "_scorer", "_verifier"):
        stub = SimpleNamespace(id=name, dimension=1, token_spans=None)
        monkeypatch.setattr(app.wiring, name, lambda _, stub=stub: stub)


def built_with(settings: Settings, **changed: object) -> Models:
    threads = torch.get_num_threads()  # of the tests
    return app.wiring.build_models(settings.model_copy(update={"torch_threads": threads, **changed}))


@pytest.fixture
def models(tmp_path: Path, decoder_folder: Path, decoder_alone: None) -> Iterator[Models]:
    settings = settings_for(tmp_path, decoder_folder, str(save_adapter(tmp_path / "adapter", decoder_folder)))
    built = built_with(settings, passage_disk_bytes=10**6)
    yield built
    built.close()


def test_weighing_and_replaying_leave_no_passages_on_disk(tmp_path: Path, models: Models) -> None:
    """They read what was written about documents that may be deleted by now."""
    folder = passage_folder(load_settings({}, data_dir=tmp_path))
    prompt, options = ("one ", "two ", "why?"), GenerateOptions(4, mask="block")
    assert models.logprobs is not None
    assert len(models.logprobs(prompt, "block", [7, 8])) == 2
    list(models.generator.generate(prompt, replace(options, keep_passages=False), lambda: False))
    assert not folder.exists()
    list(models.generator.generate(prompt, options, lambda: False))
    assert len(list(folder.iterdir())) == 2


def test_prompts_read_beside_answers_that_fill_the_cache_are_refused(models: Models) -> None:
    assert isinstance(models.generator, DeviceGenerator)
    assert models.logprobs is not None
    cache = models.generator._generator.runner.cache
    cache.grow([cache.open()], [cache.free_tokens])
    with pytest.raises(Overloaded, match="no room"):
        models.logprobs(("one ", "why?"), "full", [7])
    with pytest.raises(Overloaded, match="no room"):
        models.refusal_lead(("one ", "why?"), "full", None)


def half_an_encoder(folder: Path) -> dict[str, object]:
    weights = write_encoder(folder) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return {"encoder": str(folder)}


def another_kind_of_encoder(folder: Path) -> dict[str, object]:
    config = write_encoder(folder) / "config.json"
    config.write_text(config.read_text().replace('"bert"', '"gpt2"'))
    return {"encoder": str(folder)}


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda _: {"encoder": "typo"}, "encoder 'typo'"),
        (half_an_encoder, "model.safetensors cannot be read"),
        (another_kind_of_encoder, "only 'bert' is implemented"),
        (lambda _: {"device": "cuda"}, "FOOTNOTE_DEVICE is not possible here: .* no CUDA device"),
        (lambda _: {"device": "tpu"}, "FOOTNOTE_DEVICE is not possible here: .* not 'tpu'"),
    ],
)
def test_what_no_encoder_can_be_loaded_from_is_a_clear_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], dict[str, object]],
    cause: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigurationError, match=cause):
        built_with(settings_for(tmp_path, tmp_path, "none"), **make(tmp_path))


def half_a_gguf(folder: Path) -> str:
    path = write_gguf(folder / "half.gguf", "qwen3")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return str(path)


def without_tokenizer(folder: Path) -> str:
    return str(save_checkpoint("gemma3", folder / "bare"))


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda _: "/no/such.gguf", "decoder '/no/such.gguf'"),
        (lambda _: "hf:no such/name!", "decoder hf:no such/name!"),
        (half_a_gguf, "not a readable GGUF file"),
        (without_tokenizer, "no tokenizer.json"),
    ],
)
def test_what_no_decoder_can_be_loaded_from_is_a_clear_error(
    tmp_path: Path, decoder_alone: None, make: Callable[[Path], str], cause: str
) -> None:
    with pytest.raises(ConfigurationError, match=cause) as caught:
        built_with(settings_for(tmp_path, tmp_path, "none"), decoder=make(tmp_path))
    assert "\n" not in caught.value.cause


@pytest.mark.parametrize(
    ("part", "cause"), [("not a part", "sha256 did not match"), (None, "Missing chunk files")]
)
def test_packages_with_parts_altered_or_gone_are_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder_alone: None, part: str | None, cause: str
) -> None:
    path = tmp_path / "part"
    if part is not None:
        path.write_text(part)
    monkeypatch.setattr(importlib.import_module(GEMMA_MODULE), "chunk_paths", lambda: [path])
    with pytest.raises(ConfigurationError, match=cause):
        built_with(settings_for(tmp_path, tmp_path, "none"), decoder=GEMMA_PACKAGE)
    assert list((tmp_path / "models").iterdir()) == []


def test_native_steps_where_they_cannot_run_are_a_clear_error(
    tmp_path: Path, decoder_folder: Path, decoder_alone: None
) -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_DECODE=native is not possible here"):
        built_with(settings_for(tmp_path, decoder_folder, "none"), decode="native")
