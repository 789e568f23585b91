"""The whole way of a file, and embedding order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.embed import BATCH_CHUNKS, embed
from ingest.errors import IngestError
from ingest.pipeline import ingest_file
from ingest.types import ChunkDraft, ParseLimits, Stage, TokenSpans
from tests.ingest.samples import pdf


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[len(text), ord(text[0])] for text in texts], np.float32)


def ignore(stage: Stage, done: int, total: int) -> None:
    pass


def test_a_file_becomes_chunks_vectors_and_a_report(tmp_path: Path, token_spans: TokenSpans) -> None:
    path = tmp_path / "blob"
    path.write_bytes(pdf(["The first page is here."], ["The second one is there."]))
    stages: list[Stage] = []
    document = ingest_file(
        path,
        "report.pdf",
        encode=encode,
        token_spans=token_spans,
        max_chunk_tokens=50,
        limits=ParseLimits(),
        progress=lambda stage, done, total: stages.append(stage),
    )
    assert [(chunk.text, chunk.page_first) for chunk in document.chunks] == [
        ("The first page is here.", 1),
        ("The second one is there.", 2),
    ]
    np.testing.assert_array_equal(document.vectors, encode([chunk.text for chunk in document.chunks]))
    assert (document.report.pages, document.report.language) == (2, "en")
    assert list(dict.fromkeys(stages)) == ["parse", "chunk", "embed"]
    assert set(document.seconds) == {"parse", "chunk", "embed"}


def test_an_empty_file_never_succeeds(tmp_path: Path, token_spans: TokenSpans) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"")
    with pytest.raises(IngestError) as caught:
        ingest_file(
            path,
            "a.txt",
            encode=encode,
            token_spans=token_spans,
            max_chunk_tokens=50,
            limits=ParseLimits(),
            progress=ignore,
        )
    assert caught.value.code == "file_empty"


def drafts(count: int) -> list[ChunkDraft]:
    texts = [chr(65 + index % 26) * (1 + index * 7 % 50) for index in range(count)]
    return [
        ChunkDraft(index, 0, len(text), text, None, None, (), tokens=len(text))
        for index, text in enumerate(texts)
    ]


@pytest.mark.parametrize("count", [1, BATCH_CHUNKS, 2 * BATCH_CHUNKS + 1])
def test_vectors_keep_the_order_of_the_chunks(count: int) -> None:
    chunks = drafts(count)
    batches: list[list[int]] = []

    def watch(texts: Sequence[str]) -> NDArray[np.float32]:
        batches.append([len(text) for text in texts])
        return encode(texts)

    vectors = embed(chunks, watch, ignore)
    np.testing.assert_array_equal(vectors, encode([chunk.text for chunk in chunks]))
    lengths = [length for batch in batches for length in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert max(map(len, batches)) <= BATCH_CHUNKS


def test_embedding_stops_when_progress_raises() -> None:
    def stop(stage: Stage, done: int, total: int) -> None:
        if done:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        embed(drafts(100), encode, stop)
