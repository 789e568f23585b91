"""`footnote bench reranker`: question and passages to scores, against CrossEncoder of the same size."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from bench import ours
from bench.measure import Run, seconds
from bench.peers import Peer, library
from bench.report import OURS, Row, row_of
from bench.session import Session
from bench.texts import exact_text, questions
from bench.work import encoder_flops
from model.config import EncoderConfig

Score = Callable[[Sequence[tuple[str, str]]], object]
PASSAGE_TOKENS = 200
SPECIAL_TOKENS = 3  # around question and passage
INSTALL = "pip install sentence-transformers transformers"
MODULES = ("sentence_transformers", "transformers")


def rows(session: Session) -> Iterator[Row]:
    """Passages a second for one question; passages differ by round."""
    scorer = ours.load_scorer(session.settings)
    folder = ours.encoder_card(session.settings).path
    config = EncoderConfig.from_huggingface(json.loads((folder / "config.json").read_text("utf-8")))
    spans = ours.load_embedder(session.settings).token_spans
    scorers: dict[str, Score] = {OURS: scorer.score} | session.peers(reranker_peers(folder))
    count = session.size(50, 8)
    question = questions()[0].text

    def run_of(score: Score) -> Run:
        def run(number: int) -> tuple[float, ...]:
            pairs = [(question, exact_text(PASSAGE_TOKENS, spans, number, each)) for each in range(count)]
            return (count / seconds(lambda: score(pairs)),)

        return run

    results = session.compare({name: run_of(score) for name, score in scorers.items()}, budget_s=60.0)
    what = f"{count} passages of {PASSAGE_TOKENS} tokens"
    limit, rate = session.limits.matrix
    row = row_of(what, "passages/s", results)
    flops = encoder_flops(config, [len(spans(question)) + PASSAGE_TOKENS + SPECIAL_TOKENS])
    yield row_of(what, "passages/s", results, of_limit=row.ours.median * flops / rate, limit=limit)


def reranker_peers(folder: Path) -> list[Peer[Score]]:
    """CrossEncoder over the body in `folder` with an untrained head: only its speed means something."""
    return [
        Peer(f"CrossEncoder {name}", MODULES, INSTALL, partial(_cross_encoder, folder, dtype))
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    ]


def _cross_encoder(folder: Path, dtype: torch.dtype) -> Score:
    """As its users call it."""
    transformers = library("transformers")
    with tempfile.TemporaryDirectory() as place:
        loader = transformers.AutoModelForSequenceClassification
        loader.from_pretrained(folder, num_labels=1).save_pretrained(place)
        transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(place)
        model = library("sentence_transformers").CrossEncoder(place, device="cpu")
    model.model.to(dtype)
    return lambda pairs: model.predict(list(pairs), show_progress_bar=False)
