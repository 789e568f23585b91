"""`footnote bench encoder`: texts to vectors, against others on the same weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bench import ours
from bench.encoder_peers import REFERENCE, Encode, encoder_peers
from bench.measure import Figures, Run, Sample, seconds
from bench.report import OURS, Row, row_of
from bench.session import Session
from bench.texts import exact_text, mixed_texts, questions
from bench.work import encoder_flops
from model.config import EncoderConfig
from model.embedder import Embedder

SPECIAL_TOKENS = 2  # around every text
EVEN_TOKENS = 128


def rows(session: Session) -> Iterator[Row]:
    """Tokens a second on mixed and on even lengths, the time of one question, likeness of vectors."""
    embedder = ours.load_embedder(session.settings)
    folder = ours.encoder_card(session.settings).path
    config = EncoderConfig.from_huggingface(json.loads((folder / "config.json").read_text("utf-8")))
    peers = session.peers(encoder_peers(folder, config, embedder.max_tokens, session.threads))
    encoders: dict[str, Encode] = {OURS: embedder.encode} | peers
    count = session.size(512, 24)
    mixed = mixed_texts(count, 230, "mixed")
    even = [
        exact_text(EVEN_TOKENS - SPECIAL_TOKENS, embedder.token_spans, each) for each in range(count // 2)
    ]
    for what, texts in ((f"{count} texts of mixed length", mixed), (f"texts of {EVEN_TOKENS} tokens", even)):
        yield _throughput(session, config, encoders, what, texts, lengths(embedder, texts))
    yield _one_question(session, encoders)
    if REFERENCE in encoders:
        yield _likeness(encoders, mixed)


def lengths(embedder: Embedder, texts: Sequence[str]) -> list[int]:
    """Tokens of each text as the network reads it."""
    return [min(len(embedder.token_spans(text)) + SPECIAL_TOKENS, embedder.max_tokens) for text in texts]


def _throughput(
    session: Session,
    config: EncoderConfig,
    encoders: Mapping[str, Encode],
    what: str,
    texts: Sequence[str],
    tokens: Sequence[int],
) -> Row:
    def run_of(encode: Encode) -> Run:
        return lambda _: (sum(tokens) / seconds(lambda: encode(texts)),)

    results = session.compare({name: run_of(encode) for name, encode in encoders.items()})
    limit, rate = session.limits.matrix
    row = row_of(what, "tokens/s", results)
    flops = encoder_flops(config, tokens) / sum(tokens)
    return row_of(what, "tokens/s", results, of_limit=row.ours.median * flops / rate, limit=limit)


def _one_question(session: Session, encoders: Mapping[str, Encode]) -> Row:
    """What a search waits for; questions differ by round."""
    asked = [question.text for question in questions()]

    def run_of(encode: Encode) -> Run:
        def run(number: int) -> Figures:
            return (1000 * seconds(lambda: encode([asked[number % len(asked)]])),)

        return run

    subjects = {name: run_of(encode) for name, encode in encoders.items()}
    return row_of("one question", "ms", session.compare(subjects, rounds=25, budget_s=10.0))


def _likeness(encoders: Mapping[str, Encode], texts: Sequence[str]) -> Row:
    """Nobody may be fast by computing something else."""
    expected = encoders[REFERENCE](texts)
    cosines = {
        name: Sample(float(np.sum(encode(texts) * expected, axis=1).min()), 0.0, 1)
        for name, encode in encoders.items()
        if name != REFERENCE
    }
    return Row(f"smallest cosine to {REFERENCE}", "cosine", cosines.pop(OURS), cosines)
