"""`footnote bench decode`: one token after the other, and eight answers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench import ours
from bench.decoders import Decode, clock, decoder_peers, our_decode
from bench.measure import Figures, Run, seconds
from bench.report import OURS, Row, row_of
from bench.session import Session
from bench.texts import exact_tokens
from bench.work import decoder_work
from model.generator import DecodingOptions, Generator

PROMPT_TOKENS = 1200
NEW_TOKENS = 100
CONTEXT_TOKENS = 2048  # of the peers
AT_ONCE = 8
SHORT_PROMPT_TOKENS = 150


Answer = Callable[[Sequence[Sequence[int]]], list[str]]
"""Token ids of prompts to the texts of their answers."""


def rows(session: Session) -> Iterator[Row]:
    """Tokens a second behind a long prompt, against the peers; then eight at once against one by one."""
    generator = ours.load_generator(session.settings)
    weights = ours.decoder_card(session.settings).path
    prompt_tokens, new_tokens = session.size(PROMPT_TOKENS, 300), session.size(NEW_TOKENS, 24)
    peers = session.peers(decoder_peers(weights, session.threads, CONTEXT_TOKENS))
    decoders: dict[str, Decode] = {OURS: our_decode(generator)} | peers
    subjects = {name: _rate(each, generator, prompt_tokens, new_tokens) for name, each in decoders.items()}
    results = session.compare(subjects, budget_s=60.0)
    what, work = f"batch 1 behind {prompt_tokens:,} tokens", decoder_work(weights)
    if work is None:
        yield row_of(what, "tokens/s", results)
    else:
        share = row_of(what, "tokens/s", results).ours.median * work.step_bytes / session.limits.read_bytes_s
        limit = "the memory bandwidth (packed weights read once a token)"
        yield row_of(what, "tokens/s", results, of_limit=share, limit=limit)
    peers.clear()
    decoders.clear()
    subjects.clear()
    yield _at_once(session, generator)


def _rate(decode: Decode, generator: Generator, prompt_tokens: int, new_tokens: int) -> Run:
    """Tokens a second after the first."""

    def run(number: int) -> Figures:
        tokens = exact_tokens(prompt_tokens, generator.tokenizer.encode, "decode", number)
        return (clock(lambda: decode(tokens, new_tokens)).rate,)

    return run


def _at_once(session: Session, generator: Generator) -> Row:
    """Tokens a second of answers decoded together against one after another, prompts included."""
    options = DecodingOptions(max_new_tokens=session.size(64, 16))

    def together(prompts: Sequence[Sequence[int]]) -> list[str]:
        return generator.generate_batch(prompts, options)

    def one_by_one(prompts: Sequence[Sequence[int]]) -> list[str]:
        return ["".join(piece.text for piece in generator.generate(each, options)) for each in prompts]

    subjects = {
        OURS: _answers_rate(generator, together, OURS),
        "one after another": _answers_rate(generator, one_by_one, "alone"),
    }
    results = session.compare(subjects, rounds=5)
    return row_of(f"{AT_ONCE} answers at once, prompts included", "tokens/s", results)


def _answers_rate(
    generator: Generator, answer: Callable[[Sequence[Sequence[int]]], list[str]], seed: str
) -> Run:
    """Tokens of all answers over the time that they took; no prompt is read twice."""

    def run(number: int) -> Figures:
        encode, texts = generator.tokenizer.encode, list[str]()
        prompts = [exact_tokens(SHORT_PROMPT_TOKENS, encode, seed, number, each) for each in range(AT_ONCE)]
        taken_s = seconds(lambda: texts.extend(answer(prompts)))
        return (sum(len(encode(text, begin=False)) for text in texts) / taken_s,)

    return run
