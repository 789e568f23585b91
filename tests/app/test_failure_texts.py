"""Whatever stops a file, a person reads the code, the stage, the file, the cause and what to do next."""

from __future__ import annotations

import ast
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from app.jobs import failures
from app.jobs.failures import Failure, classify
from app.jobs.queue import JobQueue, RetryPolicy
from app.services import Services
from ingest.failures import NEXT_STEPS, ParseFailure, ingest_error
from ingest.ocr import how_to_get_one
from tests.app.test_documents_endpoints import uploaded
from tests.conftest import ROOT

FILE = "report.pdf"


def sql_error(words: str) -> OperationalError:
    return OperationalError("INSERT", {}, Exception(words))


JOB_FAILURES = (
    classify(FileNotFoundError(), "parse", FILE),
    classify(MemoryError(), "embed", FILE),
    classify(OSError(errno.ENOSPC, "No space left on device"), "parse", FILE),
    classify(OSError(errno.EDQUOT, "Disk quota exceeded"), "index", FILE),
    classify(sql_error("database or disk is full"), "index", FILE),
    classify(sql_error("could not extend file: No space left on device"), "index", FILE),
    classify(sql_error("database is locked"), "index", FILE),
    classify(OSError(errno.EACCES, "Permission denied"), "parse", FILE),
    classify(RuntimeError("surprise"), "chunk", FILE),
    failures.worker_lost("parse", 3, FILE),
    failures.stage_stuck("embed", 301.0, FILE),
    failures.worker_too_large("embed", 4_000_000_000, 3_000_000_000, FILE),
    failures.cancelled("parse", FILE),
)
PARSE_FAILURES = tuple(
    classify(ingest_error(ParseFailure(code, "It is so."), "parse", FILE), "parse", FILE)
    for code in NEXT_STEPS
)
EVERY_FAILURE = (*JOB_FAILURES, *PARSE_FAILURES)


def raised_codes(folder: str, raiser: str) -> set[str]:
    """The codes that are written in calls of `raiser` in the sources."""
    return {code for path in sorted((ROOT / folder).rglob("*.py")) for code in codes_of(path, raiser)}


def codes_of(path: Path, raiser: str) -> Iterator[str]:
    """First arguments that are written out, also as one of two."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == raiser:
            code = node.args[0] if node.args else None
            for choice in (code.body, code.orelse) if isinstance(code, ast.IfExp) else (code,):
                if isinstance(choice, ast.Constant):
                    yield str(choice.value)


def test_every_code_that_a_parser_raises_has_its_next_step_and_none_is_left_over() -> None:
    assert raised_codes("ingest", "ParseFailure") == NEXT_STEPS.keys()


def test_every_code_that_a_job_can_fail_with_is_looked_at_here() -> None:
    assert {failure.code for failure in JOB_FAILURES} == raised_codes("app/jobs", "Failure")


@pytest.mark.parametrize("failure", EVERY_FAILURE, ids=lambda failure: failure.code)
def test_a_failure_is_complete(failure: Failure) -> None:
    row = failure.as_error()
    assert row.keys() == {"code", "stage", "file", "page", "cause", "next_step"}
    assert row["file"] == FILE
    assert row["stage"] in {"stored", "parse", "chunk", "embed", "index"}
    for text in (row["cause"], row["next_step"]):
        assert text[0].isupper(), text
        assert text.endswith("."), text
        assert len(text) < 250, text


@pytest.mark.parametrize("failure", EVERY_FAILURE, ids=lambda failure: failure.code)
def test_the_table_of_failures_has_its_code(failure: Failure) -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    table = operations[operations.index("| code | stage | tried again |") :].split("\n\n")[0]
    (row,) = [line for line in table.splitlines() if f"`{failure.code}`" in line]
    again = row.split("|")[3].strip()
    assert again == ("no" if failure.permanent else "yes"), row


@pytest.mark.parametrize("failure", EVERY_FAILURE, ids=lambda failure: failure.code)
def test_a_setting_that_helps_is_one_that_exists(failure: Failure) -> None:
    settings = (ROOT / "docs" / "operations.md").read_text()
    for word in failure.next_step.replace(",", " ").replace(".", " ").split():
        if word.startswith("FOOTNOTE_"):
            assert f"`{word}`" in settings, word


@pytest.mark.parametrize(
    ("wanted", "words"), [("off", "FOOTNOTE_OCR_LANGUAGES"), ("auto", "Install Tesseract")]
)
def test_recognition_that_is_off_is_switched_on_and_not_installed(wanted: str, words: str) -> None:
    assert words in how_to_get_one(wanted)


def test_the_api_shows_each_failure_whole(client: TestClient, services: Services) -> None:
    queue = JobQueue(services.sessions, "tester", RetryPolicy.of(services.settings))
    for number, failure in enumerate(EVERY_FAILURE):
        document_id = uploaded(client, f"{number}.txt", b"text %d" % number)
        job = queue.take_next([document_id])
        assert job is not None
        row = Failure(**{**failure.as_error(), "permanent": True, "page": number or None})
        queue.fail(job, row)
        shown = client.get(f"/v1/documents/{document_id}").json()
        assert (shown["status"], shown["error"]) == ("failed", row.as_error())
        (listed,) = [each for each in client.get("/v1/jobs").json()["items"] if each["id"] == job.job_id]
        assert (listed["status"], listed["error"]) == ("dead", row.as_error())
