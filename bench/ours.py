"""Our models, loaded as the service loads them.

Underscored names of `app.wiring` are the service's own choices of type, adapter and format: a copy of them
could drift, and then something that nobody runs would be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from app import wiring
from app.device_generator import DeviceGenerator
from app.services import Models
from app.settings import Settings
from bench.session import BenchFailed
from model.embedder import Embedder
from model.generator import Generator, Segments
from model.pair_scorer import PairScorer
from model.registry import ModelCard, resolve_decoder, resolve_encoder


def load_embedder(settings: Settings) -> Embedder:
    """The encoder; raises what `Embedder.load` raises."""
    return wiring._embedder(settings)


def load_scorer(settings: Settings) -> PairScorer:
    """The reranker; raises what `PairScorer.load` raises."""
    return wiring._scorer(settings)


def load_generator(settings: Settings) -> Generator:
    """The decoder as it was published, without adapter; raises what `Generator.load` raises."""
    return wiring._generator(settings.model_copy(update={"answerer": "none"}))


@contextmanager
def service_models(settings: Settings) -> Iterator[Models]:
    """Every network behind the device thread, as the API has them."""
    models = wiring.build_models(settings)
    try:
        yield models
    finally:
        models.close()


def segment_encoder(models: Models) -> Callable[[tuple[str, ...]], Sequence[int]]:
    """How the service's generator turns segments into token ids; raises BenchFailed for a remote one."""
    generator = models.generator
    if not isinstance(generator, DeviceGenerator):
        raise BenchFailed(f"The generator {generator.id} does not run in this process.")
    tokenizer = generator._generator.tokenizer
    return lambda segments: tokenizer.encode_segments(Segments(segments)).all


def encoder_card(settings: Settings) -> ModelCard:
    """Where the encoder's weights are."""
    return resolve_encoder(settings.encoder)


def decoder_card(settings: Settings) -> ModelCard:
    """Where the decoder's weights are."""
    return resolve_decoder(settings.decoder, wiring.models_folder(settings))
