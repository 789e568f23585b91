"""From passages to the words of an answer: the prompt, and the decoder writing piece by piece."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from app.answers.generation import Generation
from app.answers.markers import without_marker
from app.answers.prompt import pack
from app.answers.routing import route
from app.answers.sureness import refusal_offset
from app.answers.timing import timed
from app.answers.types import Draft, PackedPrompt
from app.services import GenerateOptions, Services, TextGenerator
from retrieval.rerank import best_rerank
from retrieval.types import Hit


def pack_prompt(services: Services, draft: Draft, hits: Sequence[Hit]) -> None:
    """The prompt of the decoder that will write; raises GeneratorUnknown and QuestionTooLong."""
    with timed(draft, "pack"):
        models, settings = services.models, services.settings
        draft.route = route(
            draft.wanted_generator,
            best_rerank(hits),
            larger_below=settings.larger_below,
            has_larger=models.larger is not None,
            is_overloaded=models.larger is not None and models.larger.is_overloaded(),
        )
        generator = models.writer(draft.route.generator)
        draft.prompt = pack(
            draft.standalone_question,
            hits,
            generator.template,
            generator.count_tokens,
            budget_tokens=min(settings.prompt_tokens, generator.context_tokens - settings.answer_tokens),
            max_passages=settings.prompt_passages,
        )
        if draft.weak_evidence:  # asked for an answer: a refusal cannot be written
            draft.prompt = replace(draft.prompt, no_answer=None)
        draft.tokens["prompt"] = draft.prompt.tokens


def best_score_of(prompt: PackedPrompt) -> float | None:
    """Of the passages in the prompt; None where none was scored."""
    return max((each.score for each in prompt.passages if each.score is not None), default=None)


def write(services: Services, draft: Draft, cancelled: Callable[[], bool]) -> Iterator[str]:
    """Decodes the answer into the draft, piece by piece; it stays empty when the decoder finds none."""
    if draft.prompt is None:
        raise ValueError("pack the prompt before writing")
    if not draft.prompt.passages:
        return  # all that was found addresses a model, so there is nothing to answer from
    generator = services.models.writer(draft.route.generator)
    options = GenerateOptions(
        max_new_tokens=services.settings.answer_tokens,
        stop=generator.template.stop,
        markers=draft.prompt.markers,
        mask=services.settings.passage_mask,
        may_refuse=draft.prompt.no_answer is not None,
        refusal_offset=refusal_offset(draft.min_sureness),
        best_score=best_score_of(draft.prompt),
    )
    chunk_ids = tuple(passage.chunk.chunk_id for passage in draft.prompt.passages)
    generation = Generation(draft.prompt.segments, options, chunk_ids)
    draft.generations.append(generation)
    with timed(draft, "generate"), _cache_counts(services, draft):
        pieces = _first_timed(draft, generate(generator, generation, cancelled))
        for piece in without_marker(pieces, draft.prompt.no_answer):
            text = piece if draft.answer else piece.lstrip()
            draft.answer += text
            if text:
                yield text
    draft.answer = draft.answer.rstrip()
    draft.tokens["answer"] = generator.count_tokens(draft.answer)


@contextmanager
def _cache_counts(services: Services, draft: Draft) -> Iterator[None]:
    """What the caches did meanwhile, for this answer and whatever else was written at the time."""
    state = services.models.generation_state
    before = state() if state else None
    yield
    if state and before:
        after = state()
        names = (
            "passage_hits",
            "passage_disk_hits",
            "passage_misses",
            "drafted_tokens",
            "accepted_tokens",
        )
        draft.caches = {name: getattr(after, name) - getattr(before, name) for name in names}


def generate(
    generator: TextGenerator, generation: Generation, cancelled: Callable[[], bool]
) -> Iterator[str]:
    """The pieces that the decoder writes, which the generation keeps with their tokens."""
    segments, options = generation.segments, generation.listening()
    for piece in generator.generate(segments, options, cancelled):
        generation.text += piece
        yield piece


def _first_timed(draft: Draft, pieces: Iterator[str]) -> Iterator[str]:
    """The pieces; the draft learns when the first of them came, shown or not."""
    started = time.perf_counter()
    for piece in pieces:
        draft.timings_ms.setdefault("first_token", (time.perf_counter() - started) * 1000)
        yield piece
