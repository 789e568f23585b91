"""Prompts as the service packs them: questions of the samples over passages of the sample documents."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from app.services import AnswerTemplate, GenerateOptions, Models
from app.settings import Settings
from bench import texts
from bench.texts import Question
from ingest.chunk import chunk
from ingest.types import ChunkDraft, TokenSpans
from model.prompt_template import PromptTemplate

PASSAGES = 3
SHOWN_HEADINGS = 2


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question with its passages, best last, and how the service would decode its answer."""

    segments: tuple[str, ...]
    options: GenerateOptions


class Prompts:
    """Prompts for the service's generator; beside the right passage stand others in every round."""

    def __init__(self, models: Models, settings: Settings) -> None:
        self._template: AnswerTemplate = models.generator.template
        self._spans = models.ingest.token_spans
        self._settings = settings

    def make(self, count: int, number: int, *, full: bool = False) -> list[Prompt]:
        """`count` prompts of round `number`; `full` asks for sentences where the template knows how."""
        asked = texts.questions()
        chosen = [asked[(number * count + each) % len(asked)] for each in range(count)]
        return [self._prompt(question, number, full=full) for question in chosen]

    def _prompt(self, question: Question, number: int, *, full: bool) -> Prompt:
        passages = [
            self._template.passage_segment(position, each.text, each.headings[-SHOWN_HEADINGS:])
            for position, each in enumerate(self._passages(question, number), start=1)
        ]
        segments = (self._template.preamble, *passages, self._question(question.text, full=full))
        return Prompt(segments, self._options(len(passages)))

    def _passages(self, question: Question, number: int) -> list[ChunkDraft]:
        """The one of the right page last, drawn ones of the same document before it."""
        chunks = _chunks(question.file_name, self._spans, self._settings.chunk_tokens)
        best = next((each for each in chunks if each.page_first == question.page), chunks[0])
        others = [each for each in chunks if each is not best]
        drawn = random.Random(f"{question.text} {number}")
        return [*drawn.sample(others, min(PASSAGES - 1, len(others))), best]

    def _question(self, text: str, *, full: bool) -> str:
        if full and isinstance(self._template, PromptTemplate):
            return self._template.question_segment(text, full=True)
        return self._template.question_segment(text)

    def _options(self, passages: int) -> GenerateOptions:
        """As `app.answers.service.write` decodes."""
        refusal = self._template.no_answer
        markers = [f"[{number}]" for number in range(1, passages + 1)]
        return GenerateOptions(
            max_new_tokens=self._settings.answer_tokens,
            stop=self._template.stop,
            markers=tuple(markers if refusal is None else [refusal, *markers]),
            may_refuse=refusal is not None,
        )


@cache
def _chunks(file_name: str, spans: TokenSpans, most_tokens: int) -> Sequence[ChunkDraft]:
    return chunk(texts.document(file_name), spans, most_tokens)
