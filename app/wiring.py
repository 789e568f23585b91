"""Builds the application around real models: the only module that imports `model`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.device_worker import DeviceWorker
from app.services import GenerateOptions, IngestModels, Models, Services, TextGenerator, assemble_services
from app.settings import Settings
from model.device import DType, choose_device, has_native_bfloat16, set_threads
from model.embedder import Embedder
from model.generator import DecodingOptions, Generator
from model.pair_scorer import PairScorer
from model.registry import ModelCard, resolve_decoder, resolve_encoder, resolve_reranker
from retrieval.types import Vectors


def build_services(settings: Settings) -> Services:
    """Everything the API and the command line need."""
    return assemble_services(settings, build_models(settings))


def build_ingest_models(settings: Settings) -> IngestModels:
    """What a worker process needs: the encoder alone, called directly."""
    set_threads(settings.torch_threads)
    return _ingest_models(_embedder(settings))


def build_models(settings: Settings) -> Models:
    """Every network, behind one thread that owns the device."""
    set_threads(settings.torch_threads)
    embedder = _embedder(settings)
    scorer = PairScorer.load(
        settings.reranker, device=settings.device, dtype=_dtype(settings, settings.encoder_dtype)
    )
    generator = Generator.load(
        settings.decoder,
        device=settings.device,
        dtype=_dtype(settings, settings.decoder_dtype),
        models_folder=models_folder(settings),
    )
    worker = DeviceWorker(max_pending=settings.device_queue)

    def score_pairs(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return worker.call(lambda: scorer.score(pairs))

    return Models(
        ingest=_ingest_models(embedder, worker),
        reranker_id=scorer.id,
        score_pairs=score_pairs,
        generator=DeviceGenerator(generator, worker),
        close=worker.close,
    )


def model_cards(settings: Settings) -> list[ModelCard]:
    """Id, licence, source and verified checksum of every network in use; prepares the weights."""
    return [
        resolve_encoder(settings.encoder),
        resolve_reranker(settings.reranker),
        resolve_decoder(settings.decoder, models_folder=models_folder(settings)),
    ]


def models_folder(settings: Settings) -> Path:
    """Where prepared weights are kept."""
    return settings.data_dir / "models"


def _embedder(settings: Settings) -> Embedder:
    dtype = _dtype(settings, settings.encoder_dtype)
    return Embedder.load(settings.encoder, device=settings.device, dtype=dtype)


def _dtype(settings: Settings, name: Literal["auto", "float32", "bfloat16"]) -> DType:
    """Emulated bfloat16 was measured 48 times slower than float32, so `auto` asks the processor."""
    if name != "auto":
        return name
    return "bfloat16" if has_native_bfloat16(choose_device(settings.device)) else "float32"


def _ingest_models(embedder: Embedder, worker: DeviceWorker | None = None) -> IngestModels:
    def encode(texts: Sequence[str]) -> Vectors:
        return embedder.encode(texts) if worker is None else worker.call(lambda: embedder.encode(texts))

    return IngestModels(
        encoder_id=embedder.id,
        dimension=embedder.dimension,
        encode=encode,
        token_spans=embedder.token_spans,
    )


class DeviceGenerator(TextGenerator):
    """The decoder, stepped by the device thread."""

    def __init__(self, generator: Generator, worker: DeviceWorker) -> None:
        self._generator = generator
        self._worker = worker

    @property
    def id(self) -> str:
        return self._generator.id

    @property
    def context_tokens(self) -> int:
        return self._generator.context_tokens

    def count_tokens(self, text: str) -> int:
        return len(self._generator.tokenizer.encode(text))

    def generate(self, prompt: str, options: GenerateOptions, cancelled: Callable[[], bool]) -> Iterator[str]:
        decoding = DecodingOptions(
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            repetition_penalty=options.repetition_penalty,
            stop=options.stop,
            seed=options.seed,
            markers=options.markers,
        )
        pieces = self._worker.stream(lambda: self._generator.generate(prompt, decoding, cancelled=cancelled))
        return (piece.text for piece in pieces)
