"""The decoder as the application knows it: its answers come from the device thread, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

from app.answers.few_shot import FewShotTemplate
from app.device_worker import DeviceWorker
from app.services import AnswerTemplate, GenerateOptions, GenerationState, TextGenerator
from model.generator import DecodingOptions, Generator, Piece, Segments


class DeviceGenerator(TextGenerator):
    """The decoder, whose scheduler the device thread steps: `worker` must have been given that step."""

    def __init__(self, generator: Generator, worker: DeviceWorker, *, prompt_lookup_tokens: int = 0) -> None:
        self._generator = generator
        self._worker = worker
        self._prompt_lookup_tokens = prompt_lookup_tokens

    @property
    def id(self) -> str:
        return self._generator.id

    @property
    def context_tokens(self) -> int:
        return self._generator.context_tokens

    @property
    def template(self) -> AnswerTemplate:
        return self._generator.template or FewShotTemplate()

    def count_tokens(self, text: str) -> int:
        return len(self._generator.tokenizer.encode(text, begin=False))

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        prompt = Segments(segments, options.mask, options.keep_passages)
        decoding = DecodingOptions(
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            repetition_penalty=options.repetition_penalty,
            stop=options.stop,
            seed=options.seed,
            markers=options.markers,
            first_token_bias=self._refusal_bias(options) if options.may_refuse else None,
            prompt_lookup=self._prompt_lookup_tokens,
        )
        job = self._generator.prepare(prompt, decoding)
        pieces: Iterator[Piece] = self._worker.stream(
            lambda stream: self._generator.scheduler.submit(job, stream), cancelled
        )
        return _texts(pieces, options.told_token)

    def _refusal_bias(self, options: GenerateOptions) -> tuple[int, float] | None:
        calibrated = self._generator.refusal_bias_at(options.best_score)
        return calibrated and (calibrated[0], calibrated[1] + options.refusal_offset)

    def state(self) -> GenerationState:
        """Counts for metrics; read without the device thread, so they may be a step apart."""
        scheduler, runner = self._generator.scheduler.state, self._generator.runner
        disk = runner.passages.disk
        return GenerationState(
            waiting=scheduler.waiting,
            running=scheduler.running,
            drafted_tokens=scheduler.drafted_tokens,
            accepted_tokens=scheduler.accepted_tokens,
            cache_tokens=runner.cache.capacity_tokens,
            cache_free_tokens=runner.cache.free_tokens,
            prefix_hit_tokens=runner.prefixes.hit_tokens,
            prefix_missed_tokens=runner.prefixes.missed_tokens,
            prefix_evictions=runner.prefixes.evictions,
            passage_hits=runner.passages.hits,
            passage_misses=runner.passages.misses,
            passage_evictions=runner.passages.evictions,
            passage_bytes=runner.passages.bytes,
            passage_disk_hits=disk.hits if disk else 0,
            passage_disk_evictions=disk.evictions if disk else 0,
            passage_disk_damaged=disk.damaged if disk else 0,
            passage_disk_unwritten=disk.unwritten if disk else 0,
            passage_disk_bytes=disk.bytes if disk else 0,
        )


def _texts(pieces: Iterator[Piece], told_token: Callable[[int], None] | None) -> Iterator[str]:
    for piece in pieces:
        if told_token is not None:
            told_token(piece.token_id)
        yield piece.text


def sum_of(states: Sequence[GenerationState]) -> GenerationState:
    """Counts added up; of the folder on disk that all share, the size."""
    added = {
        field.name: sum(getattr(each, field.name) for each in states) for field in fields(GenerationState)
    }
    added["passage_disk_bytes"] = max(each.passage_disk_bytes for each in states)
    return GenerationState(**added)
