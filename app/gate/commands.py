"""`footnote gate`: how sure the answers of a collection must be, shown, set, calibrated and measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.gate.schemas import CalibrationOut, GateOut, PointOut, ShareOut
    from app.services import Services

gate_app = typer.Typer(no_args_is_help=True)

Collection = Annotated[str, typer.Option(help="Name of the collection.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


@gate_app.command()
def show(collection: Collection = "Default", as_json: JsonFlag = False) -> None:
    """The level in force and the last calibration."""
    with _services() as services:
        gate = _gate(services, collection)
    _print(gate, as_json)


@gate_app.command("set")
def set_threshold(
    threshold: Annotated[str, typer.Argument(help="0 to 1, or `default`.")],
    min_sureness: Annotated[
        float | None, typer.Option(min=0, max=1, help="How sure an answer must be; left out: the default.")
    ] = None,
    collection: Collection = "Default",
) -> None:
    """Put a level in force, or the default again."""
    from app.gate.schemas import GateChange

    value = None if threshold == "default" else threshold
    try:
        change = GateChange.model_validate({"threshold": value})
    except ValueError as error:
        raise typer.BadParameter("a number from 0 to 1, or `default`") from error
    with _services() as services:
        _change(services, collection, change.threshold, min_sureness)
        gate = _gate(services, collection)
    _print(gate, as_json=False)


@gate_app.command()
def calibrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, help="Questions, as of an eval set.")],
    collection: Collection = "Default",
    wanted: Annotated[float, typer.Option(min=0, max=1, help="Share of false answers wanted.")] = 0.05,
    apply: Annotated[bool, typer.Option("--apply", help="Put the level in force.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Choose the level on half of the questions, and measure it on the other half."""
    from app.accounts.service import local_account
    from app.evals.sets.reading import read_set
    from app.gate import service

    cases = read_set([file]).cases
    with _services() as services:
        with services.sessions.begin() as session:
            user, collection_id = local_account(session), _collection_id(services, collection)
        calibration = service.calibrated(services, user, collection_id, cases, wanted, file.name, _told)
        with services.sessions.begin() as session:
            service.keep(session, user, collection_id, calibration, apply=apply)
        gate = _gate(services, collection)
    _print(gate, as_json)


@gate_app.command()
def figures(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, help="Questions, as of an eval set.")],
    collection: Collection = "Default",
    wanted: Annotated[float, typer.Option(min=0, max=1, help="Share of false answers wanted.")] = 0.05,
    as_json: JsonFlag = False,
) -> None:
    """Choose levels on half of the questions, and ask the other half: false answers, false refusals.

    Questions that bring passages are asked on these. Nothing is put in force.
    """
    from dataclasses import asdict

    from app.accounts.service import local_account
    from app.evals.sets.reading import read_set
    from app.gate.figures import figures as measured

    cases = read_set([file]).cases
    with _services() as services:
        with services.sessions.begin() as session:
            user, collection_id = local_account(session), _collection_id(services, collection)
        found = measured(services, user, collection_id, cases, wanted, _told, typer.echo)
    if as_json:
        typer.echo(json.dumps(asdict(found)))


@contextmanager
def _services() -> Iterator[Services]:
    from app.settings import load_settings
    from app.wiring import build_services

    services = build_services(load_settings())
    try:
        yield services
    finally:
        services.close()


def _collection_id(services: Services, name: str) -> int:
    from app.accounts.service import local_account
    from app.collections import repository
    from app.errors import CollectionNotFound

    with services.sessions() as session:
        row = repository.get_by_name(session, local_account(session).id, name)
    if row is None:
        raise CollectionNotFound(f"There is no collection named {name!r}.")
    return row.id


def _gate(services: Services, name: str) -> GateOut:
    from app.accounts.service import local_account
    from app.gate import service

    collection_id = _collection_id(services, name)
    with services.sessions() as session:
        user = local_account(session)
        row = service.require_collection(session, user, collection_id)
        return service.gate_of(services, session, user, row)


def _change(services: Services, name: str, threshold: float | None, min_sureness: float | None) -> None:
    from app.accounts.service import local_account
    from app.gate import service

    collection_id = _collection_id(services, name)
    with services.sessions.begin() as session:
        row = service.require_collection(session, local_account(session), collection_id)
        row.evidence_threshold, row.min_sureness = threshold, min_sureness


def _print(gate: GateOut, as_json: bool) -> None:
    source = "the default" if gate.threshold is None else f"its own; the default is {gate.default:.3f}"
    typer.echo(f"threshold in force {gate.in_force:.3f} ({source})")
    sure = (
        "the default" if gate.min_sureness is None else f"its own; the default is {gate.default_sureness:g}"
    )
    typer.echo(f"an answer must be sure to {gate.sureness_in_force:.3f} ({sure})")
    if gate.calibration is not None:
        for line in _calibration_lines(gate.calibration):
            typer.echo(line)
    if gate.stale:
        typer.echo("the calibration was made with another reranker or decoder: calibrate again")
    if as_json:
        typer.echo(json.dumps(gate.model_dump(mode="json"), ensure_ascii=False))


def _calibration_lines(found: CalibrationOut) -> Iterator[str]:
    yield (
        f"calibrated on {found.set_name}: {found.answerable} answerable and "
        f"{found.unanswerable} unanswerable questions, false answers wanted {found.wanted_false_answers:.0%}"
    )
    for name, point in (
        ("recommended, half that chose it", found.fitted),
        ("recommended, other half", found.measured),
        ("in force then, other half", found.current),
    ):
        yield f"{name:32} {_point_line(point)}"


def _point_line(point: PointOut) -> str:
    answers, refusals = _share(point.false_answers), _share(point.false_refusals)
    sure = "" if point.min_sureness is None else f"  sureness {point.min_sureness:.3f}"
    return f"threshold {point.threshold:.3f}{sure}  false answers {answers}  false refusals {refusals}"


def _share(share: ShareOut) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "-"
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}] of {share.n}"


def _told(done: int, total: int) -> None:
    if done % 25 == 0:
        typer.echo(f"questions: {done} of {total}", err=True)
