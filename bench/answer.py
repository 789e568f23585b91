"""`footnote bench answer`: grounded prompts from the first to the last token, and questions that meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from app.services import GenerateOptions, TextGenerator
from bench import ours
from bench.decoders import Decode, Timing, clock, decoder_peers
from bench.grounded import Prompts
from bench.measure import Figures, Run, percentile
from bench.report import OURS, Row, row_of
from bench.session import Session
from bench.texts import prose
from model.generator import never

CONTEXT_TOKENS = 2048  # of the peers
LONG_WORDS = 3000  # of the prompt that a short question meets
SHORT_WORDS, SHORT_TOKENS = 100, 4
HEAD_START_S = 0.05  # of the long prompt

Encode = Callable[[tuple[str, ...]], Sequence[int]]
"""Segments of a prompt to its token ids."""


@dataclass(slots=True)
class Workload:
    """The prompts of a round, and how many tokens ours gave each: the peers write as many."""

    generator: TextGenerator
    encode: Encode
    prompts: Prompts
    count: int
    full: bool  # whole sentences
    forget: Callable[[], None]  # what was read before: the peers begin every prompt anew as well
    tokens: dict[int, list[int]] = field(default_factory=dict)

    def ours(self, number: int) -> list[Timing]:
        """Our answers, ended where the service ends them."""
        made = self.prompts.make(self.count, number, full=self.full)
        timings = []
        for each in made:
            self.forget()
            timings.append(clock(partial(self.generator.generate, each.segments, each.options, never)))
        self.tokens[number] = [timing.tokens for timing in timings]
        return timings

    def theirs(self, decode: Decode, number: int) -> list[Timing]:
        """The same token ids in, as many tokens out; ours must have run this round."""
        made = self.prompts.make(self.count, number, full=self.full)
        return [
            clock(partial(decode, self.encode(each.segments), tokens))
            for each, tokens in zip(made, self.tokens[number], strict=True)
        ]


def rows(session: Session) -> Iterator[Row]:
    """Time to the first token and to the last, tokens a second of whole sentences, and a crowded service."""
    with ours.service_models(session.settings) as models:
        encode = ours.segment_encoder(models)
        prompts = Prompts(models, session.settings)
        weights = ours.decoder_card(session.settings).path
        peers = session.peers(decoder_peers(weights, session.threads, CONTEXT_TOKENS))
        count = session.size(6, 2)

        def work(*, full: bool) -> Workload:
            return Workload(models.generator, encode, prompts, count, full, models.forget_passages)

        yield from _short(session, work(full=False), peers)
        yield _sentences(session, work(full=True), peers)
        peers.clear()  # their memory
        yield _crowded(session, models.generator)


def _short(session: Session, work: Workload, peers: Mapping[str, Decode]) -> Iterator[Row]:
    """Mean times a question."""

    def figures(timings: Sequence[Timing]) -> Figures:
        return _mean([timing.first_s for timing in timings]), _mean([timing.total_s for timing in timings])

    results = session.compare(_subjects(work, peers, figures), budget_s=60.0)
    yield row_of("grounded answer, first token", "s", results, 0)
    yield row_of("grounded answer, whole", "s", results, 1)


def _sentences(session: Session, work: Workload, peers: Mapping[str, Decode]) -> Row:
    """Answers long enough to have a speed; taken together, so that one of a single token does no harm."""

    def figures(timings: Sequence[Timing]) -> Figures:
        first_s, total_s = (sum(t.first_s for t in timings), sum(t.total_s for t in timings))
        return (Timing(first_s, total_s, 1 + sum(t.tokens - 1 for t in timings)).rate,)

    results = session.compare(_subjects(work, peers, figures), budget_s=60.0)
    return row_of("grounded sentences, after the first token", "tokens/s", results)


def _subjects(
    work: Workload, peers: Mapping[str, Decode], figures: Callable[[Sequence[Timing]], Figures]
) -> dict[str, Run]:
    """Ours first: it says how many tokens the others write."""

    def run_of(decode: Decode) -> Run:
        return lambda number: figures(work.theirs(decode, number))

    first: dict[str, Run] = {OURS: lambda number: figures(work.ours(number))}
    return first | {name: run_of(decode) for name, decode in peers.items()}


def _crowded(session: Session, served: TextGenerator) -> Row:
    """First token of short questions while a long prompt is answered, and with nothing else to do."""
    asked, words = session.size(5, 2), session.size(LONG_WORDS, 600)
    subjects: dict[str, Run] = {
        "alone": lambda number: (_short_p95(served, asked, "alone", number),),
        OURS: lambda number: (_beside_long(served, asked, words, number),),
    }
    results = session.compare(subjects, rounds=5)
    return row_of(f"first token beside a prompt of {words:,} words, p95", "s", results)


def _short_p95(served: TextGenerator, asked: int, seed: str, number: int) -> float:
    """The slowest but 5% of some short questions, one after another."""
    firsts_s = []
    for each in range(asked):
        segments = (prose(SHORT_WORDS, seed, number, each),)
        options = GenerateOptions(max_new_tokens=SHORT_TOKENS)
        firsts_s.append(clock(partial(served.generate, segments, options, never)).first_s)
    return percentile(firsts_s, 95)


def _beside_long(served: TextGenerator, asked: int, words: int, number: int) -> float:
    """The same while another thread's long answer runs; that one is cancelled afterwards."""
    begun, done = threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        options = GenerateOptions(max_new_tokens=1000)
        for _ in served.generate((prose(words, "long", number),), options, done.is_set):
            pass

    thread = threading.Thread(target=long, name="bench-long-answer")
    thread.start()
    begun.wait()
    time.sleep(HEAD_START_S)
    try:
        return _short_p95(served, asked, "beside", number)
    finally:
        done.set()
        thread.join()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
