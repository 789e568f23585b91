"""Builds the application around real models: with `device_generator` the only module that imports `model`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from app.data_folders import adopt_older_folders, passage_folder
from app.device_generator import DeviceGenerator, sum_of
from app.device_worker import DeviceWorker
from app.errors import AppError, ConfigurationError, Overloaded
from app.services import (
    IngestModels,
    LargerGenerator,
    ModelFacts,
    Models,
    PromptMask,
    Services,
    assemble_services,
)
from app.settings import Settings
from model.answerer import AnswererMismatch
from model.claim_verifier import ClaimVerifier
from model.config import ConfigError
from model.decoder_tokenizer import TokenizerError
from model.device import (
    DeviceUnavailable,
    DType,
    choose_device,
    give_memory_back,
    has_native_bfloat16,
    keep_few_kernels,
    set_threads,
)
from model.embedder import Embedder
from model.forward_pass import Interrupt
from model.generator import Generator, Segments
from model.kv_cache import CacheFull
from model.native.encoder import NativeChoice
from model.native.library import NativeUnavailable
from model.paged_step import PagedDecodeUnavailable
from model.pair_scorer import PairScorer
from model.passage_disk import PassageFolder
from model.registry import (
    ChecksumMismatch,
    ModelCard,
    ModelNotFound,
    resolve_answerer,
    resolve_decoder,
    resolve_encoder,
    resolve_reranker,
    resolve_verifier,
)
from model.weights import WeightsError
from retrieval.types import Encode, Vectors

T = TypeVar("T")

TRIM_EVERY_CALLS = 8  # of the worker's encoder: a few seconds


class TrainingFailed(AppError):
    """A recipe could not run: its data, folder, checkpoint or a network that it begins with is not usable."""

    code = "training_failed"
    stage = "train"
    default_next_step = "Correct what the message names and run the same command again; it resumes."


@contextmanager
def _load_failures_explained() -> Iterator[None]:
    """Raises ConfigurationError for weights, a device or native steps that cannot be had."""
    try:
        yield
    except (ModelNotFound, ChecksumMismatch, WeightsError, ConfigError, TokenizerError) as error:
        raise ConfigurationError(
            f"The models cannot be loaded: {error}.",
            next_step="Correct the setting that names these weights, or install or download them again.",
        ) from error
    except DeviceUnavailable as error:
        raise ConfigurationError(
            f"FOOTNOTE_DEVICE is not possible here: {error}.",
            next_step="Set FOOTNOTE_DEVICE=auto to use what this machine has.",
        ) from error
    except NativeUnavailable as error:
        raise ConfigurationError(
            f"FOOTNOTE_DECODE=native is not possible here: {error}.",
            next_step="Set FOOTNOTE_DECODE=auto to decode by plain torch.",
        ) from error


def build_services(settings: Settings) -> Services:
    """Everything the API and the command line need."""
    adopt_older_folders(settings)
    return assemble_services(settings, build_models(settings))


@_load_failures_explained()
def build_ingest_models(settings: Settings) -> IngestModels:
    """What a worker process needs: the encoder alone, called directly, in little memory."""
    set_threads(settings.torch_threads)
    keep_few_kernels()
    models = _ingest_models(settings)
    return replace(models, encode=_trimmed(models.encode))


def _trimmed(encode: Encode) -> Encode:
    """Hands freed memory back now and then: batches of every size leave holes of every size."""
    calls = itertools.count(1)

    def encode_and_trim(texts: Sequence[str]) -> Vectors:
        vectors = encode(texts)
        if next(calls) % TRIM_EVERY_CALLS == 0:
            give_memory_back()
        return vectors

    return encode_and_trim


@_load_failures_explained()
def build_models(settings: Settings) -> Models:
    """Every network, behind one thread that owns the device."""
    set_threads(settings.torch_threads)
    embedder = _embedder(settings)
    scorer, verifier = _scorer(settings), _verifier(settings)
    generators = [_generator(settings), *([_larger_generator(settings)] if settings.larger_decoder else [])]
    give_memory_back()
    interrupt = Interrupt()
    worker = DeviceWorker(settings.device_queue, lambda: _step_all(generators, interrupt), interrupt)
    on_device = [
        DeviceGenerator(each, worker, prompt_lookup_tokens=settings.prompt_lookup_tokens)
        for each in generators
    ]

    def score_pairs(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return worker.call(lambda: scorer.score(pairs))

    def verify(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return worker.call(lambda: verifier.verify(pairs))

    def logprobs(segments: tuple[str, ...], mask: PromptMask, tokens: Sequence[int]) -> list[float]:
        prompt = Segments(segments, mask, keep=False)  # of an earlier answer: documents may have gone since
        return _beside_answers(worker, lambda: generators[0].logprobs(prompt, tokens))

    def refusal_lead(segments: tuple[str, ...], mask: PromptMask, best_score: float | None) -> float | None:
        bias = generators[0].refusal_bias_at(best_score)
        if bias is None:
            return None
        prompt = Segments(segments, mask)
        return _beside_answers(worker, lambda: generators[0].refusal_margin(prompt)) + bias[1]

    return Models(
        ingest=_ingest_models(settings, worker, embedder),
        reranker_id=scorer.id,
        score_pairs=score_pairs,
        verifier_id=verifier.id,
        verify=verify,
        generator=on_device[0],
        logprobs=logprobs,
        refusal_lead=refusal_lead,
        arithmetic=_arithmetic(settings, generators[0]),
        larger=LargerGenerator(on_device[1], lambda: on_device[1].state().waiting > settings.larger_waiting)
        if len(on_device) > 1
        else None,
        generation_state=lambda: sum_of([each.state() for each in on_device]),
        cards=cache(lambda: model_facts(settings)),
        forget_passages=lambda: worker.call(lambda: _forget(generators)),
        close=worker.close,
    )


def _beside_answers(worker: DeviceWorker, read: Callable[[], T]) -> T:
    """What comes of reading a prompt at once; raises Overloaded when answers have the cache to themselves."""
    try:
        return worker.call(read)
    except CacheFull as error:
        raise Overloaded("The answers being written leave no room to read another prompt.") from error


@_load_failures_explained()
def model_cards(settings: Settings) -> list[ModelCard]:
    """Id, licence, source and verified checksum of every network in use; prepares the weights."""
    named = [(settings.decoder, settings.answerer)]
    if settings.larger_decoder:
        named.append((settings.larger_decoder, settings.larger_answerer))
    return [
        resolve_encoder(settings.encoder),
        resolve_reranker(settings.reranker),
        resolve_verifier(settings.verifier),
        *(resolve_decoder(name, models_folder=models_folder(settings)) for name, _ in named),
        *(resolve_answerer(name) for _, name in named if name != "none"),
    ]


def model_facts(settings: Settings) -> tuple[ModelFacts, ...]:
    """The same for the Settings page, with the size of the weights on disk."""
    return tuple(
        ModelFacts(card.kind, card.id, card.licence, card.source, _size_bytes(card.path))
        for card in model_cards(settings)
    )


def _size_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def train_network(
    network: Literal["reranker", "answerer", "verifier"], arguments: Sequence[str], settings: Settings
) -> None:
    """Run a recipe with the arguments of its own command line; only then are the recipes imported."""
    from model.train import answerer, reranker, verifier

    if network == "answerer":  # the decoder is not unpacked twice; what is asked for comes behind and counts
        arguments = ["--models", str(models_folder(settings)), *arguments]
    recipes = {"reranker": reranker.main, "answerer": answerer.main, "verifier": verifier.main}
    try:
        recipes[network](arguments)
    except (ModelNotFound, ValueError, OSError) as error:
        raise TrainingFailed(f"{error}") from error


def models_folder(settings: Settings) -> Path:
    """Where prepared weights are kept."""
    return settings.data_dir / "models"


def _scorer(settings: Settings) -> PairScorer:
    return PairScorer.load(
        settings.reranker,
        device=settings.device,
        dtype=_dtype(settings, settings.encoder_dtype),
        native=_native(settings),
    )


def _verifier(settings: Settings) -> ClaimVerifier:
    return ClaimVerifier.load(
        settings.verifier,
        device=settings.device,
        dtype=_dtype(settings, settings.encoder_dtype),
        native=_native(settings),
    )


def _native(settings: Settings) -> NativeChoice:
    return NativeChoice(settings.decode, models_folder(settings) / "native")


def _embedder(settings: Settings) -> Embedder:
    dtype = _dtype(settings, settings.encoder_dtype)
    return Embedder.load(settings.encoder, device=settings.device, dtype=dtype, native=_native(settings))


def _generator(settings: Settings) -> Generator:
    """The decoder with its adapter; raises ConfigurationError when the two do not belong together."""
    try:
        return Generator.load(
            settings.decoder,
            device=settings.device,
            dtype=_dtype(settings, settings.decoder_dtype),
            models_folder=models_folder(settings),
            answerer=_answerer(settings),
            decode=settings.decode,
            passage_folder=PassageFolder(passage_folder(settings), settings.passage_disk_bytes),
            cache_in_8_bits=settings.cache_dtype == "int8",
            paged_decode=settings.paged_decode,
            decode_graphs=settings.decode_graphs,
        )
    except PagedDecodeUnavailable as error:
        raise ConfigurationError(
            f"FOOTNOTE_PAGED_DECODE=kernel is not possible here: {error}.",
            next_step="Set FOOTNOTE_PAGED_DECODE=auto to use the kernel only where it can run.",
        ) from error
    except AnswererMismatch as error:
        raise ConfigurationError(
            f"FOOTNOTE_ANSWERER={settings.answerer} does not fit the decoder {settings.decoder}: {error}.",
            next_step="Set FOOTNOTE_ANSWERER=none for the decoder alone, or name an adapter trained on it.",
        ) from error


def _arithmetic(settings: Settings, generator: Generator) -> dict[str, str]:
    """What tokens may depend on besides weights and prompt."""
    runner = generator.runner
    return {
        "decode": "plain" if runner.native is None else "native",
        "dtype": str(runner.cache.keys.dtype).removeprefix("torch."),  # native steps hold no such weights
        "device": runner.device.type,
        "torch": torch.__version__,
        "prompt_lookup_tokens": str(settings.prompt_lookup_tokens),
        **({"cache": "int8"} if runner.cache.is_in_8_bits else {}),
        **({"attention": "paged kernel"} if runner.reads_paged else {}),
        **({"steps": "graphs"} if runner.graphs else {}),
    }


def _larger_generator(settings: Settings) -> Generator:
    """The second decoder: the same settings under the names of the first."""
    return _generator(
        settings.model_copy(update={"decoder": settings.larger_decoder, "answerer": settings.larger_answerer})
    )


def _forget(generators: Sequence[Generator]) -> None:
    for each in generators:
        each.runner.forget()


def _step_all(generators: Sequence[Generator], interrupt: Interrupt) -> bool:
    """One step of each; False when nothing is left to do."""
    busy = [each.scheduler.step(interrupt) for each in generators]
    return any(busy)


def _answerer(settings: Settings) -> str | None:
    """The adapter's name; None for the decoder alone."""
    return None if settings.answerer == "none" else settings.answerer


def _dtype(settings: Settings, name: Literal["auto", "float32", "bfloat16"]) -> DType:
    """Emulated bfloat16 was measured 48 times slower than float32, so `auto` asks the processor."""
    if name != "auto":
        return name
    return "bfloat16" if has_native_bfloat16(choose_device(settings.device)) else "float32"


@_load_failures_explained()
def encoder_id(settings: Settings) -> str:
    """Name and revision of the configured encoder, without loading it."""
    return resolve_encoder(settings.encoder).id


def _ingest_models(
    settings: Settings, worker: DeviceWorker | None = None, embedder: Embedder | None = None
) -> IngestModels:
    embedder = embedder or _embedder(settings)

    def another(name: str) -> IngestModels:
        return _ingest_models(settings.model_copy(update={"encoder": name}), worker)

    def encode(texts: Sequence[str]) -> Vectors:
        return embedder.encode(texts) if worker is None else worker.call(lambda: embedder.encode(texts))

    return IngestModels(
        encoder_id=embedder.id,
        dimension=embedder.dimension,
        encode=encode,
        token_spans=embedder.token_spans,
        name=settings.encoder,
        another=another,
    )
