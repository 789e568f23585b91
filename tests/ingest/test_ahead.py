"""Pages are embedded while later ones are read, and another try finds what an earlier one has done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest import memory, parse
from ingest.chunk import chunk
from ingest.memory import VectorMemory, vectors_file
from ingest.pipeline import ingest_file
from ingest.types import IngestedDocument, Keep, ParseLimits, Progress, Stage, TokenSpans
from tests.fakes import hash_encode
from tests.ingest.samples import pdf

PAGES = 40
Ingest = Callable[..., IngestedDocument]


def lines(page: int) -> list[str]:
    return [f"Page {page} tells about topic {page * 7}.", f"It has a second line, number {page}."]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(pdf(*[lines(page) for page in range(PAGES)]))
    return path


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    folder = tmp_path / "work"
    folder.mkdir()
    return Keep(folder, vectors_file(folder, "hash", 64))


class Encoder:
    """Counts the texts it is given; can be made to break."""

    def __init__(self, breaks_after: int = 10**9) -> None:
        self.texts: list[str] = []
        self._breaks_after = breaks_after

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(self.texts) >= self._breaks_after:
            raise RuntimeError("killed")
        self.texts += texts
        return hash_encode(texts)


@pytest.fixture
def ingest(path: Path, token_spans: TokenSpans) -> Ingest:
    def run(encode: Encoder, progress: Progress = lambda *_: None, **options: Keep) -> IngestedDocument:
        return ingest_file(
            path,
            "report.pdf",
            encode=encode,
            token_spans=token_spans,
            max_chunk_tokens=50,
            limits=ParseLimits(),
            progress=progress,
            **options,
        )

    return run


def test_early_pages_change_nothing_but_the_time(ingest: Ingest, token_spans: TokenSpans) -> None:
    steps: list[tuple[Stage, int, int]] = []
    encode = Encoder()
    document = ingest(encode, lambda *step: steps.append(step))

    assert list(document.chunks) == chunk(document.parsed, token_spans, 50)
    assert [page.number for page in document.parsed.pages] == list(range(1, PAGES + 1))
    np.testing.assert_array_equal(document.vectors, hash_encode([each.text for each in document.chunks]))
    assert sorted(encode.texts) == sorted(each.text for each in document.chunks)  # each exactly once
    first_embedded = next(n for n, (stage, done, _) in enumerate(steps) if stage == "embed" and done)
    assert first_embedded < steps.index(("parse", PAGES, PAGES))
    assert steps[first_embedded][2] >= PAGES // 2  # the total is an estimate over all pages
    assert steps[-1] == ("embed", PAGES, PAGES)


@pytest.fixture
def keep_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (memory, parse):
        monkeypatch.setattr(module, "KEEP_AFTER_S", 0.0)


@pytest.mark.usefixtures("keep_at_once")
def test_another_try_embeds_only_what_is_left(ingest: Ingest, keep: Keep) -> None:
    first, second = Encoder(breaks_after=20), Encoder()
    with pytest.raises(RuntimeError, match="killed"):
        ingest(first, keep=keep)
    document = ingest(second, keep=keep)
    assert set(first.texts).isdisjoint(second.texts)
    assert len(first.texts) + len(second.texts) == PAGES
    np.testing.assert_array_equal(document.vectors, hash_encode([each.text for each in document.chunks]))


@pytest.mark.usefixtures("keep_at_once")
def test_another_try_does_not_read_the_file_again(ingest: Ingest, keep: Keep, path: Path) -> None:
    def stop_after_parsing(stage: Stage, done: int, _total: int) -> None:
        if (stage, done) == ("parse", PAGES) and any(keep.folder.glob("parsed-*")):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        ingest(Encoder(), stop_after_parsing, keep=keep)
    path.write_bytes(b"these bytes would fail")
    assert len(ingest(Encoder(), keep=keep).parsed.pages) == PAGES


@pytest.mark.usefixtures("keep_at_once")
def test_a_kept_parse_that_is_broken_is_made_again(ingest: Ingest, keep: Keep) -> None:
    ingest(Encoder(), keep=keep)
    (kept,) = keep.folder.glob("parsed-*/structure.json")
    kept.write_text('{"pages": ')
    assert len(ingest(Encoder(), keep=keep).parsed.pages) == PAGES


def test_short_work_is_not_kept(ingest: Ingest, keep: Keep) -> None:
    ingest(Encoder(), keep=keep)
    assert list(keep.folder.iterdir()) == []


@pytest.mark.usefixtures("keep_at_once")
@pytest.mark.parametrize("damage", ["torn", "flipped"])
def test_damaged_records_are_forgotten_and_the_rest_is_kept(tmp_path: Path, damage: str) -> None:
    file = vectors_file(tmp_path, "hash", 64)
    VectorMemory(hash_encode, file).encode(["one", "two", "three"])
    data = bytearray(file.read_bytes())
    if damage == "torn":
        del data[-5:]
    else:
        data[-5] ^= 0xFF
    file.write_bytes(data)

    again = VectorMemory(hash_encode, file)
    assert ["one" in again, "two" in again, "three" in again] == [True, True, False]
    again.encode(["three", "four"])
    third = VectorMemory(hash_encode, file)
    np.testing.assert_array_equal(third.rows(["four", "one"]), hash_encode(["four", "one"]))
