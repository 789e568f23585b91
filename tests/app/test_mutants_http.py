"""Broken copies of real files over HTTP to an API process, read by worker processes: none of them crashes.

`make mutants-http` sends 2,000 copies of the shared files; a few of the samples by default. That each copy
alone gives text or a stable error, and text with true offsets, is `tests/ingest/test_mutated_files.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.app.processes import (
    assert_ended_well,
    assert_everything_agrees,
    assert_says_why,
    print_counts,
    running_service,
)
from tests.ingest.mutations import mutants
from tests.ingest.test_mutated_files import LONG_COUNT, SAMPLES, SEED

pytestmark = pytest.mark.weights

WORKERS = 2
A_COPY_S = 3.0  # on two cores, other work beside it


def send_and_check(paths: Sequence[Path], count: int, folder: Path) -> None:
    """Every copy ends ready with text, or says why not; every process lives, and the doctor agrees."""
    with running_service(folder / "data", WORKERS) as service:
        started = time.monotonic()
        outcomes = {}
        for mutant in mutants(paths, count, SEED):
            path = folder / "copy"
            path.write_bytes(mutant.data)
            outcomes[mutant.label] = service.upload(mutant.file_name, path)
        documents = service.documents(60.0 + count * A_COPY_S)
        seconds = time.monotonic() - started
        for label, outcome in outcomes.items():
            if outcome["status"] == "rejected":
                assert_says_why(outcome["error"], label)
        for document in documents.values():
            assert_ended_well(service, document)
        assert {each["document_id"] for each in outcomes.values()} - {None} == set(documents)
        print_counts(outcomes, documents, seconds)
        service.assert_alive()
        assert_everything_agrees(service.settings)


@pytest.mark.timeout(300)
def test_a_few_copies_of_the_samples(tmp_path: Path) -> None:
    send_and_check(sorted(path for path in SAMPLES.iterdir() if path.is_file()), 12, tmp_path)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(14_400)
def test_two_thousand_copies_of_the_shared_files(shared_data: Path, tmp_path: Path) -> None:
    files = shared_data / "files"
    paths = sorted(path for path in files.rglob("*") if path.is_file() and path.name != "MANIFEST.tsv")
    send_and_check(paths, LONG_COUNT, tmp_path)
