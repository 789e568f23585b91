"""`footnote bench prefill`: how fast a prompt is read, and what stored passages save of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from bench import ours
from bench.decoders import Decode, clock, decoder_peers, our_decode
from bench.measure import Figures, Run
from bench.report import OURS, Row, row_of
from bench.session import Session
from bench.texts import exact_tokens, prose, questions
from bench.work import decoder_work
from model.decoder_tokenizer import PromptMask
from model.generator import DecodingOptions, Generator, Segments

PROMPT_TOKENS = 1200
CONTEXT_TOKENS = 2048  # of the peers
PASSAGE_WORDS = 150
PREAMBLE = "Answer the question from the passages.\n"


def rows(session: Session) -> Iterator[Row]:
    """Prompt tokens a second, then the time to the first token over passages that were read before."""
    generator = ours.load_generator(session.settings)
    weights = ours.decoder_card(session.settings).path
    peers = session.peers(decoder_peers(weights, session.threads, CONTEXT_TOKENS))
    tokens = session.size(PROMPT_TOKENS, 300)
    decoders: dict[str, Decode] = {OURS: our_decode(generator)} | peers
    subjects = {name: _prompt_rate(decode, generator, tokens) for name, decode in decoders.items()}
    results = session.compare(subjects, budget_s=60.0)
    what, work = f"a prompt of {tokens:,} tokens", decoder_work(weights)
    if work is None:
        yield row_of(what, "tokens/s", results)
    else:
        limit, rate = session.limits.matrix
        share = row_of(what, "tokens/s", results).ours.median * work.prefill_flops / rate
        yield row_of(what, "tokens/s", results, of_limit=share, limit=f"{limit} (linear layers alone)")
    peers.clear()
    decoders.clear()
    subjects.clear()
    for passage_tokens in (500,) if session.quick else (500, 2000, 8000):
        for mask in get_args(PromptMask):
            yield _asked_again(session, generator, passage_tokens, mask)


def _prompt_rate(decode: Decode, generator: Generator, count: int) -> Run:
    """Prompt tokens over the time to the first token; every round reads another prompt."""

    def run(number: int) -> Figures:
        tokens = exact_tokens(count, generator.tokenizer.encode, "prefill", number)
        return (count / clock(lambda: decode(tokens, 1)).first_s,)

    return run


def _asked_again(session: Session, generator: Generator, passage_tokens: int, mask: PromptMask) -> Row:
    """The second question over the same passages against the first; every round has new passages.

    Under the block mask passages are found one by one, under the full mask as the beginning of a prompt.
    """

    def run_of(question: int) -> Run:
        def run(number: int) -> Figures:
            prompt = _prompt(generator, passage_tokens, number, question, mask)
            return (clock(lambda: generator.generate(prompt, DecodingOptions(max_new_tokens=1))).first_s,)

        return run

    results = session.compare({"cold": run_of(0), OURS: run_of(1)}, rounds=5, budget_s=40.0)
    known = "stored passages" if mask == "block" else "a known beginning"
    return row_of(f"first token, {passage_tokens:,} tokens of {known}", "s", results)


def _prompt(
    generator: Generator, passage_tokens: int, number: int, question: int, mask: PromptMask
) -> Segments:
    """Preamble, passages of together `passage_tokens` (to within one passage), question."""
    passages: list[str] = []
    count = 0
    while count < passage_tokens:
        text = prose(PASSAGE_WORDS, mask, passage_tokens, number, len(passages))
        passages.append(f"[{len(passages) + 1}] {text}\n")
        count += len(_tokens(generator, passages[-1]))
    return Segments((PREAMBLE, *passages, f"\nQuestion: {questions()[question].text}\nAnswer:"), mask)


def _tokens(generator: Generator, text: str) -> Sequence[int]:
    return generator.tokenizer.encode(text, begin=False)
