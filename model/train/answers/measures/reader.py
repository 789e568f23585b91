"""Prompts in, parsed answers out, as the product asks: constrained markers, greedy, calibrated refusals."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from model.decoder_tokenizer import PromptMask, Segments
from model.generator import DecodingOptions
from model.prompt_template import PromptTemplate
from model.train.answers.measures.cases import Case, Shown

log = logging.getLogger("model.train.answers.measure")

ANSWER_TOKENS = 64  # as the product's default
FULL_TOKENS = 128
PROMPTS_A_CALL = 16  # so that progress is seen
LINE_TOKENS = 48  # of a rewritten or a generated question
_MARKER = re.compile(r"\s*\[(\d+)\]")


class Generates(Protocol):
    """What is measured; `model.generator.Generator` is one."""

    @property
    def template(self) -> PromptTemplate | None: ...

    @property
    def refusal_bias(self) -> tuple[int, float] | None: ...

    def generate_batch(self, prompts: Sequence[Segments], options: DecodingOptions) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A generated line, taken apart."""

    text: str  # without markers
    cited: tuple[int, ...]  # passage numbers, in order, without repeats

    @property
    def refused(self) -> bool:
        """Nothing is left but markers."""
        return not self.text


def parse_answer(line: str) -> Answer:
    """The words and the passages of a generated line; `[0]` cites nothing."""
    cited = dict.fromkeys(int(number) for number in _MARKER.findall(line) if int(number))
    text = " ".join(_MARKER.sub("", line).split())
    return Answer(text, tuple(cited) if text else ())


class Reader:
    """Asks a generator; a prompt that several tasks share is generated once."""

    def __init__(self, generator: Generates, mask: PromptMask = "full") -> None:
        """`mask` is that of every task that does not compare masks."""
        self._generator = generator
        self._mask = mask
        self._known: dict[tuple[Segments, DecodingOptions], str] = {}
        self.template = generator.template or PromptTemplate()
        self.bias = generator.refusal_bias
        self.prompts = 0  # generated so far

    def answers(
        self,
        cases: Sequence[Case],
        *,
        full: bool = False,
        calibrated: bool = True,
        mask: PromptMask | None = None,
    ) -> list[Answer]:
        """One answer a case; `full` asks for sentences, `calibrated` applies the refusal bias."""
        lines = [""] * len(cases)
        for count in sorted({len(case.passages) for case in cases}):
            chosen = [number for number, case in enumerate(cases) if len(case.passages) == count]
            prompts = [self._prompt(cases[number], full, mask or self._mask) for number in chosen]
            options = self._options(count, full=full, calibrated=calibrated)
            for number, line in zip(chosen, self._generate(prompts, options), strict=True):
                lines[number] = line
        return [parse_answer(line) for line in lines]

    def questions(self, passages: Sequence[Shown]) -> list[str]:
        """A question about each passage, which is shown alone."""
        asked = self.template.ask_segment(1)
        prompts = [(self.template.preamble, self._passage(1, shown), asked) for shown in passages]
        return self._lines(prompts, self._mask)

    def rewritten(self, conversations: Sequence[tuple[Sequence[str], str]]) -> list[str]:
        """Standalone questions for (earlier questions, last question)."""
        prompts = [
            tuple(self.template.rewrite_segments(list(earlier), last)) for earlier, last in conversations
        ]
        return self._lines(prompts, "full")

    def _lines(self, prompts: Sequence[tuple[str, ...]], mask: PromptMask) -> list[str]:
        options = DecodingOptions(max_new_tokens=LINE_TOKENS, stop=self.template.stop)
        lines = self._generate([Segments(texts, mask) for texts in prompts], options)
        return [" ".join(line.split()) for line in lines]

    def _prompt(self, case: Case, full: bool, mask: PromptMask) -> Segments:
        passages = [self._passage(number, shown) for number, shown in enumerate(case.passages, start=1)]
        asked = self.template.question_segment(case.question, full=full)
        return Segments((self.template.preamble, *passages, asked), mask)

    def _passage(self, number: int, shown: Shown) -> str:
        return self.template.passage_segment(number, shown.text, (shown.title,))

    def _options(self, passages: int, *, full: bool, calibrated: bool) -> DecodingOptions:
        markers = [f"[{number}]" for number in range(1, passages + 1)]
        return DecodingOptions(
            max_new_tokens=FULL_TOKENS if full else ANSWER_TOKENS,
            stop=self.template.stop,
            markers=(self.template.no_answer, *markers),
            first_token_bias=self.bias if calibrated else None,
        )

    def _generate(self, prompts: Sequence[Segments], options: DecodingOptions) -> list[str]:
        """The line of each prompt."""
        new = [p for p in dict.fromkeys(prompts) if (p, options) not in self._known]
        for start in range(0, len(new), PROMPTS_A_CALL):
            batch = new[start : start + PROMPTS_A_CALL]
            started = time.perf_counter()
            for prompt, line in zip(batch, self._generator.generate_batch(batch, options), strict=True):
                self._known[prompt, options] = line
            self.prompts += len(batch)
            each_s = (time.perf_counter() - started) / len(batch)
            log.info("%d of %d prompts, %.2f s each", start + len(batch), len(new), each_s)
        return [self._known[prompt, options] for prompt in prompts]
