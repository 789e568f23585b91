"""`footnote reindex`, and checks that other commands begin with."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from app.documents.identity import OnExisting
from app.errors import InvalidRequest
from app.settings import Settings

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]


def check_encoder(settings: Settings) -> None:
    """Raises EncoderMismatch before a model is loaded when the stored vectors are another encoder's."""
    from app.db import create_engine, make_sessions, migrate
    from app.documents.encoders import require_encoder
    from app.wiring import encoder_id

    migrate(settings.resolved_database_url)
    engine = create_engine(settings.resolved_database_url)
    try:
        with make_sessions(engine)() as session:
            require_encoder(session, encoder_id(settings))
    finally:
        engine.dispose()


def reindex(as_json: JsonFlag = False) -> None:
    """Build vectors for FOOTNOTE_ENCODER and passages of FOOTNOTE_CHUNK_TOKENS from the stored text."""
    from dataclasses import asdict

    from app.cli import configured
    from app.db import create_engine, make_sessions, migrate
    from app.reindexing import reindex as run
    from app.wiring import build_ingest_models

    settings = configured()
    migrate(settings.resolved_database_url)
    engine = create_engine(settings.resolved_database_url)
    try:
        result = run(
            make_sessions(engine),
            build_ingest_models(settings),
            chunk_tokens=settings.chunk_tokens,
            tell=lambda line: typer.echo(line, err=True),
        )
    finally:
        engine.dispose()
    typer.echo(f"{result.vectors:,} vectors made, {result.documents:,} documents cut again.")
    if result.switched_to is not None:
        typer.echo(f"Start every process from now on with FOOTNOTE_ENCODER={settings.encoder}.")
    if result.to_read_again:
        typer.echo(f"{result.to_read_again:,} documents are queued to be read again by a worker.")
    if as_json:
        typer.echo(json.dumps(asdict(result)))


def refuse_ignored(
    watch: bool,
    is_site: bool,
    on_existing: OnExisting | None,
    password: str | None,
    *,
    as_json: bool,
    of_site: str | None,
) -> None:
    """Raises InvalidRequest for an option that would do nothing: nobody should believe that it did.

    `of_site` is one that only addresses take.
    """
    if watch and (is_site or on_existing or as_json):
        what = "an address" if is_site else "--on-existing" if on_existing else "--json"
        cause = f"--watch does not go with {what}."
        raise InvalidRequest(cause, next_step="A changed file of a watched folder becomes a new version.")
    if of_site and not is_site:
        raise InvalidRequest(f"{of_site} goes with an address only.", next_step="A folder is read whole.")
    if is_site and password:
        step = "Read it, then `footnote jobs retry DOCUMENT_ID --password -`."
        raise InvalidRequest("--password does not go with an address.", next_step=step)
