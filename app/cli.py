"""`footnote`: run the service, ingest, ask, check and measure from one shell line.

Heavy modules are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from app.errors import AppError
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.services import Services

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Network = Literal["reranker", "answerer", "verifier"]
Benchmark = Literal[
    "encoder", "reranker", "prefill", "decode", "answer", "search", "ingest", "many", "asking", "memory"
]
OnExisting = Literal["skip", "replace", "keep_both"]
SITE_PAGES, SITE_S = 20, 3600.0  # of reading one site, where nothing is said
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


def main() -> None:
    """Entry point: expected failures are two plain lines and exit code 2, never a traceback."""
    from app.documents.commands import reindex
    from app.evals.commands import evals_app
    from app.gate.commands import gate_app
    from app.jobs.commands import jobs_app

    app.command()(reindex)
    app.add_typer(jobs_app, name="jobs", help="What is being read; stop it or try it again.")
    app.add_typer(evals_app, name="eval", help="Measure answers, retrieval and claims; list the runs.")
    app.add_typer(gate_app, name="gate", help="The evidence threshold of a collection: show, set, calibrate.")
    try:
        app()
    except AppError as error:
        _fail(error)
    except Exception as error:
        from sqlalchemy.exc import DBAPIError

        if not isinstance(error, DBAPIError):
            raise
        from app.db_failures import explained

        _fail(explained(error))


def _fail(error: AppError) -> NoReturn:
    typer.echo(f"{error.cause}\n{error.next_step}  [{error.code}]", err=True)
    sys.exit(2)


def configured(*, service: bool = False) -> Settings:
    """Settings of this process, with logging set up to match; one-shot commands show no INFO lines."""
    settings = load_settings()
    level = logging.getLevelNamesMapping()[settings.log_level]
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    for name in ("httpx", "alembic", *(() if service else ("app",))):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    return settings


@app.command()
def up() -> None:
    """Start API, worker and browser interface; restart what crashes; stop with Ctrl-C."""
    from app.documents.commands import check_encoder
    from app.processes import children
    from app.supervisor import run

    settings = configured(service=True)
    check_encoder(settings)
    raise typer.Exit(run(children(settings), stop=threading.Event(), log=typer.echo))


@app.command()
def serve() -> None:
    """Start the API alone."""
    from app.documents.commands import check_encoder
    from app.serving import run_server

    settings = configured(service=True)
    check_encoder(settings)
    run_server(settings)


@app.command()
def worker(
    until_idle: Annotated[bool, typer.Option(help="Stop when no job is left.")] = False,
    count: Annotated[
        int | None, typer.Option(min=1, max=256, help="How many; without it FOOTNOTE_WORKERS.")
    ] = None,
) -> None:
    """Start ingest workers at low priority; each stops when told; of several one that ends is restarted."""
    from app.processes import worker_children
    from app.supervisor import run

    settings = configured(service=True)
    number = count or settings.workers
    if number == 1:
        _work(settings, until_idle)
        return
    children = worker_children(settings, number, until_idle=until_idle)
    raise typer.Exit(run(children, stop=threading.Event(), log=typer.echo))


def _work(settings: Settings, until_idle: bool) -> None:
    """One worker in this process."""
    from app.db import create_engine, migrate
    from app.documents.blobs import BlobStore
    from app.jobs.priority import yield_to_others
    from app.jobs.worker import run_worker
    from app.wiring import build_ingest_models

    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    yield_to_others()
    migrate(settings.resolved_database_url)
    run_worker(
        settings,
        create_engine(settings.resolved_database_url),
        BlobStore(settings.data_dir / "blobs"),
        build_ingest_models(settings),
        stop=stop,
        until_idle=until_idle,
        may_exit=True,
    )


@app.command()
def ui() -> None:
    """Start the browser interface alone."""
    import os

    from app.processes import ui_command

    settings = configured(service=True)
    command = ui_command(settings)
    os.execve(command[0], list(command), {**os.environ, "FOOTNOTE_API_URL": settings.resolved_api_url})


@app.command()
def models(
    speed: Annotated[
        bool, typer.Option("--speed", help="Also measure each generator here and show its latest eval.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Prepare the weights and show id, size, licence, source and checksum of each network."""
    from app.model_report import as_row, lines_of
    from app.wiring import model_cards

    settings = configured()
    rows = [as_row(card) for card in model_cards(settings)]
    for row in rows:
        typer.echo("\n".join(lines_of(row)))
    generators = list(_measured_generators(settings)) if speed else None
    if as_json:
        typer.echo(json.dumps({"models": rows, "generators": generators}))


def _measured_generators(settings: Settings) -> Iterator[dict[str, Any]]:
    """Speed and quality of every generator, told as they are measured."""
    from app.accounts.service import local_account
    from app.model_report import generator_row, lines_of_generator, measure, quality_of
    from app.wiring import build_services

    services = build_services(settings)
    try:
        larger = services.models.larger
        for generator in (services.models.generator, *([larger.generator] if larger else [])):
            with services.sessions() as session:
                quality = quality_of(session, local_account(session).id, generator.id)
            found = measure(generator)
            typer.echo("\n".join(lines_of_generator(generator.id, found, quality)))
            yield generator_row(generator.id, found, quality)
    finally:
        services.close()


@app.command()
def ingest(
    source: Annotated[str, typer.Argument(help="A file, a folder, or the address of a page.")],
    collection: Annotated[str, typer.Option(help="Name of the collection.")] = "Default",
    on_existing: Annotated[
        OnExisting | None,
        typer.Option(help="For bytes or names the collection has already; `skip`, of an address `replace`."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=0, max=5, help="Of an address: links of its site to follow; 0.")
    ] = None,
    pages: Annotated[
        int | None, typer.Option(min=1, max=10_000, help=f"Of an address: most pages to read; {SITE_PAGES}.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Keep a folder in step until Ctrl-C.")] = False,
    password: Annotated[str | None, typer.Option(help="Of protected PDFs; - asks for it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read documents into a collection and wait until each is ready or has failed."""
    from app.documents.commands import refuse_ignored
    from app.documents.local import ingest_paths
    from app.jobs.commands import asked_for
    from app.sites.crawling import CrawlLimits
    from app.sites.fetching import Fetcher
    from app.sites.local import ingest_site

    is_site = source.startswith(("http://", "https://"))
    of_site = "--depth" if depth is not None else "--pages" if pages is not None else None
    refuse_ignored(watch, is_site, on_existing, password, as_json=as_json, of_site=of_site)
    password = asked_for(password)
    if watch:
        _watch(Path(source), collection, password)
        return
    services = _services_alone()
    try:
        if is_site:
            limits = CrawlLimits(depth or 0, pages or SITE_PAGES, seconds=SITE_S)
            wanted = on_existing or "replace"
            rows = ingest_site(services, source, collection, limits, _tell, Fetcher(), on_existing=wanted)
        else:
            wanted, paths = on_existing or "skip", [Path(source)]
            rows = ingest_paths(services, paths, collection, _tell, on_existing=wanted, password=password)
    finally:
        services.close()
    for row in rows:
        typer.echo(_ingest_line(row))
    if as_json:
        typer.echo(json.dumps({"documents": rows}, ensure_ascii=False))
    if not any(row["status"] != "failed" for row in rows):
        raise typer.Exit(1)


def _watch(folder: Path, collection: str, password: str | None) -> None:
    from app.folders.watching import watch_folder

    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    services = _services_alone()
    try:
        watch_folder(services, folder, collection, _tell, stop, password=password)
    finally:
        services.close()


def _services_alone() -> Services:
    """Of a command that reads files in its own process."""
    from app.wiring import build_services

    return replace(build_services(configured()), alone=True)


def _tell(message: str) -> None:
    typer.echo(message, err=True)


def _ingest_line(row: dict[str, Any]) -> str:
    if row["error"]:
        error = row["error"]
        return f"failed     {row['file']}: {error['cause']} {error['next_step']}  [{error['code']}]"
    counts = f"{row['pages']} pages, {row['chunks']} passages, {row['seconds']:.1f} s"
    return f"{row['status']:10} {row['file']}  ({counts})"


@app.command()
def ask(
    question: str,
    docs: Annotated[
        Path | None, typer.Option(exists=True, help="A file or folder; without it, every document.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer a question over documents, with citations, or say that they don't."""
    from app.answers.local import ask_once

    services = _services_alone()
    try:
        result = ask_once(services, question, docs, _tell)
    finally:
        services.close()
    typer.echo(result.text)
    if as_json:
        typer.echo(json.dumps(result.json, ensure_ascii=False))


@app.command()
def replay(
    message_id: Annotated[int, typer.Argument(help="Of the answer; the Inspector page shows it.")],
    as_json: JsonFlag = False,
) -> None:
    """Write a stored answer again; exit 0 when every token is the same, 1 with what changed."""
    from app.answers.local import replayed
    from app.wiring import build_services

    services = build_services(configured())
    try:
        result = replayed(services, message_id)
    finally:
        services.close()
    typer.echo(result.text)
    if as_json:
        typer.echo(json.dumps(result.json, ensure_ascii=False))
    raise typer.Exit(0 if result.json["identical"] else 1)


@app.command()
def doctor(
    repair: Annotated[bool, typer.Option("--fix", help="Rebuild what can be rebuilt from SQL.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare SQL with the indexes and the stored files; exit 0 when they agree."""
    from app.doctor import check, fix
    from app.wiring import build_services

    services = build_services(configured())
    try:
        report = fix(services) if repair else check(services)
    finally:
        services.close()
    typer.echo(report.text())
    if as_json:
        typer.echo(json.dumps(report.json()))
    raise typer.Exit(0 if report.ok else 1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    context: typer.Context,
    network: Annotated[Network, typer.Argument(help="`footnote train NETWORK -- --help` lists its options.")],
) -> None:
    """Train a network on your own data or repeat the built-in one's recipe."""
    from app.wiring import train_network

    train_network(network, context.args, configured())


@app.command()
def bench(
    name: Annotated[Benchmark, typer.Argument(help="What to measure.")],
    as_json: JsonFlag = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small inputs, few rounds: a look, no result.")
    ] = False,
    require_peers: Annotated[
        bool, typer.Option("--require-peers", help="Fail when something to compare with is not installed.")
    ] = False,
) -> None:
    """Measure speed or memory beside what others offer, in alternating runs on this machine."""
    from bench.command import run_benchmark

    report = run_benchmark(name, configured(), typer.echo, quick=quick, require_peers=require_peers)
    if as_json:
        typer.echo(json.dumps(report.json()))


@app.command()
def settings(as_json: JsonFlag = False) -> None:
    """Show every setting in force; the password of the database URL is masked."""
    from sqlalchemy import make_url

    values = configured().model_dump(mode="json")
    if values["database_url"]:
        values["database_url"] = make_url(values["database_url"]).render_as_string(hide_password=True)
    for name, value in values.items():
        typer.echo(f"FOOTNOTE_{name.upper()}={'' if value is None else value}")
    if as_json:
        typer.echo(json.dumps(values))


if __name__ == "__main__":
    main()
