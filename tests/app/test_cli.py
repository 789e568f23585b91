"""The command line on fake models: what it prints, its JSON, its exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import app.wiring
from app import cli
from app.services import Services, assemble_services
from app.settings import Settings
from app.sites import crawling, fetching
from app.sites.fetching import FetchLimits
from tests.app.web_site import WebSite, reader
from tests.fakes import EchoGenerator, fake_models
from tests.model.invented_answers import own_row, write_checkpoint, write_own

Run = Callable[..., tuple[int, str, str]]

FERRY = "The Wend ferry runs every twenty minutes. A return ticket costs 4.50 crowns.\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `footnote ...` in this process: (exit code, standard output, standard error)."""
    monkeypatch.setenv("FOOTNOTE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FOOTNOTE_EVIDENCE_THRESHOLD", "0.3")

    def build(settings: Settings) -> Services:
        return assemble_services(settings, fake_models(EchoGenerator()))

    monkeypatch.setattr(app.wiring, "build_services", build)

    def footnote(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["footnote", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capsys.readouterr()
        return int(stopped.value.code or 0), shown.out, shown.err

    return footnote


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "ferry.md").write_text(FERRY)
    (folder / "broken.pdf").write_text("%PDF-1.7 and then nothing")
    return folder


def last_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


def test_ask_answers_over_a_folder_with_file_and_span(run: Run, docs: Path) -> None:
    code, out, err = run("ask", "How often runs the Wend ferry?", "--docs", str(docs), "--json")
    assert code == 0
    result = last_json(out)
    assert set(result) == {"answer", "state", "citations", "timings_ms", "tokens"}
    assert result["state"] == "answered"
    (citation,) = result["citations"]
    assert citation["file"] == "ferry.md"
    assert FERRY[citation["start"] : citation["end"]] == citation["text"]
    assert "[1] ferry.md" in out
    assert "ferry.md: fetched, parsing" in err


def test_a_second_question_over_an_unchanged_folder_does_not_ingest_again(run: Run, docs: Path) -> None:
    run("ask", "How often runs the Wend ferry?", "--docs", str(docs))
    code, out, err = run("ask", "What costs a return ticket?", "--docs", str(docs))
    assert (code, err) == (0, "")
    assert "[1] ferry.md" in out


def test_a_changed_folder_is_followed(run: Run, docs: Path) -> None:
    run("ask", "How often runs the Wend ferry?", "--docs", str(docs))
    (docs / "ferry.md").write_text("The Wend ferry runs every hour.\n")
    _, out, _ = run("ask", "How often runs the Wend ferry?", "--docs", str(docs))
    assert "every hour" in out
    assert "twenty" not in out


def test_a_question_without_answer_says_why(run: Run, docs: Path) -> None:
    code, out, _ = run("ask", "Which colour has the parrot?", "--docs", str(docs), "--json")
    assert code == 0
    assert last_json(out)["state"] == "refused"
    assert "Your documents don't say." in out
    assert "1 failed to ingest" in out


def test_ingest_reports_every_file(run: Run, docs: Path) -> None:
    code, out, _ = run("ingest", str(docs), "--json")
    rows = {Path(row["file"]).name: row for row in last_json(out)["documents"]}
    assert code == 0
    assert rows["ferry.md"]["status"] == "ready"
    assert rows["ferry.md"]["chunks"] == 1
    assert rows["broken.pdf"]["status"] == "failed"
    assert set(rows["broken.pdf"]["error"]) >= {"code", "stage", "cause", "next_step"}
    again = last_json(run("ingest", str(docs / "ferry.md"), "--json")[1])["documents"][0]
    assert (again["status"], again["document_id"]) == ("duplicate", rows["ferry.md"]["document_id"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["FOLDER", "--watch", "--on-existing", "keep_both"], "--on-existing"),
        (["FOLDER", "--watch", "--json"], "--json"),
        (["https://example.org/", "--watch"], "an address"),
        (["https://example.org/", "--password", "secret"], "--password"),
        (["FOLDER", "--depth", "1"], "--depth"),
        (["FOLDER", "--watch", "--pages", "3"], "--pages"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    run: Run, docs: Path, arguments: list[str], named: str
) -> None:
    code, _, err = run("ingest", *(str(docs) if each == "FOLDER" else each for each in arguments))
    assert code == 2
    assert named in err
    assert "secret" not in err


def test_ctrl_c_leaves_what_was_read_of_a_site_and_says_so(
    run: Run, site: WebSite, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    monkeypatch.setattr(crawling, "PAUSE_S", 0.0)
    monkeypatch.setattr(fetching, "Fetcher", lambda: reader(limits=FetchLimits()))
    site.html("/", f'<p>{FERRY}</p><a href="/slow">slow</a>')
    interrupted = threading.Event()

    def interrupt(_: BaseHTTPRequestHandler) -> None:
        if not interrupted.is_set():
            interrupted.set()
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

    site.pages["/slow"] = interrupt
    code, _, err = run("ingest", site.address, "--depth", "1")
    assert code == 130
    assert f"{site.address}/: fetched" in err
    assert "Stopped: 1 page was taken in and stays." in err

    site.html("/slow", "<p>Slow.</p>")
    code, out, _ = run("ingest", site.address, "--depth", "1", "--json")
    assert code == 0
    assert [row["status"] for row in last_json(out)["documents"]] == ["duplicate", "ready"]
    code, out, _ = run("ask", "How often runs the Wend ferry?", "--json")
    assert "twenty minutes" in last_json(out)["answer"]


@pytest.mark.parametrize(
    ("command", "setting", "value"),
    [("serve", "FOOTNOTE_ENCODER", "typo"), ("models", "FOOTNOTE_DECODER", "/no/such.gguf")],
)
def test_weights_that_are_not_there_are_two_plain_lines(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)
    code, _, err = run(command)
    cause, next_step = err.splitlines()
    assert code == 2
    assert repr(value) in cause
    assert next_step.endswith("[configuration_invalid]")


def test_a_server_that_cannot_start_says_why_without_a_traceback(tmp_path: Path) -> None:
    """A process of its own: nothing is faked, and uvicorn sets up its log."""
    served = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"],
        env={**os.environ, "FOOTNOTE_DATA_DIR": str(tmp_path), "FOOTNOTE_DEVICE": "abacus"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    cause, next_step = (line for line in served.stderr.splitlines() if not line.startswith("INFO"))
    assert served.returncode == 2
    assert "'abacus'" in cause
    assert next_step.endswith("[configuration_invalid]")


def test_doctor_agrees_and_exits_zero(run: Run, docs: Path) -> None:
    run("ingest", str(docs))
    code, out, _ = run("doctor", "--json")
    assert code == 0
    report = last_json(out)
    assert report["ok"]
    assert report["sql_chunks"] == report["dense_chunks"] == report["bm25_chunks"] == 1


def test_doctor_names_damage_with_exit_1_and_repairs_it_on_demand(
    run: Run, docs: Path, tmp_path: Path
) -> None:
    run("ingest", str(docs))
    stray = tmp_path / "data" / "blobs" / "00" / ("0" * 64)
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"of no document")
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "footnote.db")) as database:
        database.execute("DELETE FROM vectors").close()
        database.commit()
    code, out, _ = run("doctor", "--json")
    assert code == 1
    assert {problem["code"] for problem in last_json(out)["problems"]} >= {"vector_missing", "file_orphaned"}
    assert "footnote doctor --fix" in out
    code, out, _ = run("doctor", "--fix")
    assert (code, out.strip().splitlines()[-1]) == (0, "Everything agrees.")
    assert not stray.exists()
    code, out, _ = run("ask", "How often runs the Wend ferry?")
    assert "twenty minutes" in out


def test_an_unknown_setting_is_two_plain_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_TYPO", "1")
    code, out, err = run("doctor")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "Unknown setting FOOTNOTE_TYPO.",
        "See the settings table in docs/operations.md.  [configuration_invalid]",
    ]


def test_settings_hide_the_password(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_DATABASE_URL", "postgresql://me:secret@localhost/db")
    code, out, _ = run("settings", "--json")
    assert code == 0
    assert "secret" not in out
    assert last_json(out)["search_top_k"] == 5


@pytest.mark.parametrize("network", ["reranker", "answerer", "verifier"])
def test_training_without_its_data_says_which_file_is_missing(run: Run, tmp_path: Path, network: str) -> None:
    data, out = tmp_path / "absent", tmp_path / "out"
    code, _, errors = run("train", network, "--", "--data", str(data), "--out", str(out), "--steps", "1")
    assert code == 2
    assert str(data) in errors
    assert "training_failed" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("network", "option"), [("reranker", "--base"), ("answerer", "--decoder"), ("answerer", "--base")]
)
def test_training_from_a_network_that_is_not_there_says_so(
    run: Run, tmp_path: Path, network: str, option: str
) -> None:
    data = write_own(tmp_path / "own.jsonl", [own_row(number) for number in range(40)])
    options = {"--data": str(data), "--out": str(tmp_path / "out"), "--steps": "1", "--threads": "1"}
    if network == "answerer":
        options["--decoder"] = str(write_checkpoint(tmp_path / "decoder"))
    options[option] = "./typo"
    code, _, errors = run("train", network, "--", *(word for pair in options.items() for word in pair))
    assert code == 2
    assert "'./typo'" in errors
    assert "training_failed" in errors


@pytest.mark.parametrize("field", ["rank", "alpha"])
def test_what_the_base_decides_cannot_be_set(run: Run, tmp_path: Path, field: str) -> None:
    data = write_own(tmp_path / "own.jsonl", [own_row(1)])
    options = ["--data", str(data), "--out", str(tmp_path / "out"), "--base", "builtin", "--set"]
    code, _, errors = run("train", "answerer", "--", *options, f"{field}=16")
    assert code == 2
    assert "rank and alpha are those of --base" in errors
