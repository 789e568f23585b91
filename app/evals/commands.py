"""`footnote eval`: measure answers, retrieval and claims from the shell, and list what was measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from app.evals.metrics import Interval
    from app.evals.schemas import EvalRunOut
    from app.evals.service import Metrics
    from app.evals.types import EvalKind, Progress
    from app.services import Services

PROGRESS_INTERVAL_S = 5.0

evals_app = typer.Typer(no_args_is_help=True)

EvalFile = Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, plain or .gz.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N records.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


@evals_app.command()
def answers(file: EvalFile, limit: Limit = None, as_json: JsonFlag = False) -> None:
    """Exact match, F1, citations and refusals over questions with known answers."""
    from app.answers.evaluation import eval_answerer
    from app.evals.answers import evaluate_answers
    from app.evals.records import AnswerRecord, read_records

    def evaluate(services: Services) -> Metrics:
        records = read_records(file, AnswerRecord, limit)
        return evaluate_answers(records, eval_answerer(services), _progress())

    _run("answers", file.name, {"file": str(file), "limit": limit}, evaluate, as_json)


@evals_app.command()
def positions(file: EvalFile, limit: Limit = None, as_json: JsonFlag = False) -> None:
    """F1 with the right passage at each place of the prompt; prompt_passages must admit all passages."""
    from app.answers.evaluation import eval_answerer
    from app.evals.positions import evaluate_positions
    from app.evals.records import AnswerRecord, read_records

    def evaluate(services: Services) -> Metrics:
        records = read_records(file, AnswerRecord, limit)
        return evaluate_positions(records, eval_answerer(services, in_order=True), _progress())

    _run("positions", file.name, {"file": str(file), "limit": limit}, evaluate, as_json)


@evals_app.command()
def retrieval(
    corpus: Annotated[Path, typer.Option(help="Documents: {id, title, text}.")],
    queries: Annotated[Path, typer.Option(help="Queries: {id, text}.")],
    qrels: Annotated[Path, typer.Option(help="query<TAB>document<TAB>grade.")],
    limit: Limit = None,
    as_json: JsonFlag = False,
) -> None:
    """nDCG@10, recall@10 and recall@50 of dense, BM25, fused and reranked search."""
    from app.evals.ranking import evaluate_retrieval
    from app.evals.records import CorpusRecord, QueryRecord, judged_queries, read_judgements, read_records
    from app.services import search_config

    def evaluate(services: Services) -> Metrics:
        judgements = read_judgements(qrels)
        asked = judged_queries(read_records(queries, QueryRecord), judgements, qrels)[:limit]
        return evaluate_retrieval(
            read_records(corpus, CorpusRecord),
            asked,
            judgements,
            services.models.ingest.encode,
            services.models.score_pairs,
            search_config(services.settings),
            _progress(),
        )

    files = {"corpus": str(corpus), "queries": str(queries), "qrels": str(qrels), "limit": limit}
    _run("retrieval", f"{corpus.parent.name}/{corpus.name}", files, evaluate, as_json)


@evals_app.command()
def claims(file: EvalFile, limit: Limit = None, as_json: JsonFlag = False) -> None:
    """Balanced accuracy, accuracy over three labels and calibration error of the verifier."""
    from app.answers.evaluation import eval_verdicts
    from app.evals.claims import evaluate_claims
    from app.evals.records import ClaimRecord, read_records

    def evaluate(services: Services) -> Metrics:
        records = read_records(file, ClaimRecord, limit)
        return evaluate_claims(records, eval_verdicts(services), _progress())

    _run("claims", file.name, {"file": str(file), "limit": limit}, evaluate, as_json)


@evals_app.command()
def generation(
    file: EvalFile,
    passages: Annotated[
        int, typer.Option(min=1, help="To write a question about; all others are searched.")
    ] = 80,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other passages.")] = 0,
    show: Annotated[
        bool, typer.Option("--show", help="Also print every question and what became of it.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """How good the filter of generated questions is, on passages that people asked about.

    A line of FILE is {id, title, text, asked: [{question, answers}]}. Nothing is stored.
    """
    from app.evals.generation.figures import figures, opened
    from app.evals.records import AskedPassageRecord, read_records

    records = read_records(file, AskedPassageRecord)
    with _services() as services, opened(services, records, _progress()) as bench:
        found, judged = figures(bench, passages, seed, _progress())
    for each in judged if show else ():
        typer.echo(f"{each.drop or 'kept'}: {each.question} => {each.answer}")
    for line in _lines(found):
        typer.echo(line)
    if as_json:
        typer.echo(json.dumps(found))


@evals_app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Only the latest N runs.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Stored runs, latest first."""
    from app.accounts.service import local_account
    from app.db import create_engine, make_sessions, migrate
    from app.evals.service import list_latest
    from app.settings import load_settings

    url = load_settings().resolved_database_url
    migrate(url)
    engine = create_engine(url)
    try:
        with make_sessions(engine)() as session:
            runs = list_latest(session, local_account(session), limit)
    finally:
        engine.dispose()
    for run in runs:
        typer.echo(f"{run.id:5} {run.created_at:%Y-%m-%d %H:%M} {run.kind:9} {run.status:7} {run.name}")
    if as_json:
        typer.echo(json.dumps({"items": [run.model_dump(mode="json") for run in runs]}, ensure_ascii=False))


@evals_app.command("run")
def run_set(
    name: Annotated[
        str,
        typer.Argument(metavar="SET", help="Name or id of a set, or a file or BEIR folder to load as one."),
    ],
    kind: Annotated[str, typer.Option(help="answers, retrieval, positions or noise.")] = "answers",
    gate: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Rules; exit 1 when one is broken.")
    ] = None,
    docs: Annotated[
        Path | None, typer.Option(exists=True, help="A file or folder to ask; without it the set's own.")
    ] = None,
    configuration: Annotated[str | None, typer.Option(help="A saved search configuration.")] = None,
    limit: Limit = None,
    tag: Annotated[str | None, typer.Option(help="Only questions with this tag.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="The configured judge's model: answers and cited passages are sent to it."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask every question of a set, keep the results, and hold the measures against a gate."""
    from app.evals.runs.foreground import RunRequest, broken_rules, run_over_set
    from app.evals.runs.gate import read_gate

    rules = None if gate is None else read_gate(gate)
    with _services() as services:
        if judge is not None:
            typer.echo(
                f"Questions, expected answers, answers and cited passages are sent to the judge {judge}.",
                err=True,
            )
        request = RunRequest(name, kind, docs, configuration, limit, tag, judge)
        run = run_over_set(services, request, _progress(), lambda text: typer.echo(text, err=True))
        broken = [] if rules is None else broken_rules(services, rules, run)
    for line in _table(run):
        typer.echo(line)
    for rule in broken:
        typer.echo(f"gate: {rule}", err=True)
    if as_json:
        typer.echo(
            json.dumps({**(run.metrics or {}), "run_id": run.id, "broken": broken}, ensure_ascii=False)
        )
    raise typer.Exit(1 if broken else 0)


def _run(
    kind: EvalKind,
    name: str,
    config: dict[str, Any],
    evaluate: Callable[[Services], Metrics],
    as_json: bool,
) -> None:
    """Evaluate on the configured models, store the run, print it."""
    from app.evals.service import record_run

    with _services() as services:
        config |= _models(services)
        run = record_run(services.sessions, kind, name, config, lambda: evaluate(services))
    for line in _table(run):
        typer.echo(line)
    if as_json:
        typer.echo(json.dumps({**(run.metrics or {}), "run_id": run.id}, ensure_ascii=False))


@contextmanager
def _services() -> Iterator[Services]:
    from app.settings import load_settings
    from app.wiring import build_services

    services = build_services(load_settings())
    try:
        yield services
    finally:
        services.close()


def _models(services: Services) -> dict[str, Any]:
    """What the figures depend on besides the file."""
    from app.services import search_config

    models = services.models
    return {
        "encoder": models.ingest.encoder_id,
        "reranker": models.reranker_id,
        "verifier": models.verifier_id,
        "generator": models.generator.id,
        "search": asdict(search_config(services.settings)),
    }


def _table(run: EvalRunOut) -> Iterator[str]:
    """One line a measure; measures of a stage stand under its name."""
    yield f"run {run.id}: {run.kind} {run.name}"
    yield from _lines(run.metrics or {})


def _lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Measures, and under their name those of a stage or a group."""
    for name, value in metrics.items():
        if "value" in value:
            yield _line(name, value)
        else:
            yield from (_line(f"{name} {measure}", interval) for measure, interval in value.items())


def _line(name: str, interval: Mapping[str, Any] | Interval) -> str:
    if interval["value"] is None:
        return f"{name:28} -  (n={interval['n']})"
    bounds = f"[{interval['low']:.3f}, {interval['high']:.3f}]"
    return f"{name:28} {interval['value']:.3f}  {bounds}  (n={interval['n']})"


def _progress() -> Progress:
    """Tells standard error how far it is, now and then."""
    told_at = time.monotonic()

    def progress(what: str, done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_INTERVAL_S:
            told_at = time.monotonic()
            typer.echo(f"{what}: {done} of {total}", err=True)

    return progress
