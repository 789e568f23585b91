"""Broken copies of real files through the sandboxed parse: text, or a stable error, never anything else.

`make mutants` runs the long version: 2,000 copies of the shared files; a few dozen run by default.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.chunk import chunk
from ingest.errors import IngestError
from ingest.failures import NEXT_STEPS
from ingest.parse import parse
from ingest.types import ParsedDocument, ParseLimits, Stage
from tests.ingest.mutations import Mutant, mutants
from tests.ingest.test_shared_files import token_spans

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "files"
SEED = 20_261_124
LONG_COUNT = int(os.environ.get("FOOTNOTE_MUTANTS", "2000"))
LIMITS = ParseLimits(timeout_s=60.0)
OVERHEAD_S = 20.0  # what a busy machine may add to the parser's own clock
MAX_TOKENS = 200


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    pass


def outcome(mutant: Mutant, folder: Path) -> str:
    """The error's code, or "text"; anything unexpected is an AssertionError that names the copy."""
    path = folder / mutant.label.split(":")[0]
    path.write_bytes(mutant.data)
    started = time.monotonic()
    try:
        document = parse(path, mutant.file_name, LIMITS, ignore)
    except IngestError as error:
        return checked_error(error, mutant.label)
    finally:
        path.unlink()
        took = time.monotonic() - started
        assert took < LIMITS.timeout_s + OVERHEAD_S, f"{mutant.label}: {took:.0f} s"
    check_text(document, mutant.label)
    return "text"


def checked_error(error: IngestError, label: str) -> str:
    """The code of an error that tells a person what to do."""
    assert error.code in NEXT_STEPS, label
    assert error.cause, label
    assert error.next_step, label
    return error.code


def check_text(document: ParsedDocument, label: str) -> None:
    """Success means words that can be searched, and offsets that hold."""
    assert "\0" not in document.text, label
    assert document.pages[-1].end == len(document.text), label
    chunks = chunk(document, token_spans, MAX_TOKENS)
    assert all(draft.text == document.text[draft.start : draft.end] for draft in chunks), label
    assert any(letter.isalnum() for draft in chunks for letter in draft.text), f"{label}: no words"


def outcomes(copies: Iterable[Mutant], folder: Path, workers: int = 1) -> Counter[str]:
    """How often each outcome came; raises on the first that must not be."""
    with ThreadPoolExecutor(workers) as pool:
        return Counter(pool.map(lambda mutant: outcome(mutant, folder), copies))


def test_broken_copies_of_the_samples_give_text_or_a_stable_error(tmp_path: Path) -> None:
    paths = sorted(path for path in SAMPLES.iterdir() if path.is_file())
    found = outcomes(mutants(paths, 18, SEED), tmp_path, workers=2)
    assert found["text"]
    assert found["parse_timeout"] == 0


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(7200)
def test_two_thousand_broken_copies_of_the_shared_files(shared_data: Path, tmp_path: Path) -> None:
    files = shared_data / "files"
    paths = sorted(path for path in files.rglob("*") if path.is_file() and path.name != "MANIFEST.tsv")
    found = outcomes(mutants(paths, LONG_COUNT, SEED), tmp_path, workers=2)
    print(dict(found))
    assert sum(found.values()) == LONG_COUNT
    assert found["parse_timeout"] == 0
