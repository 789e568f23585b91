"""`footnote serve`: the API under uvicorn, whose start may fail for a reason that needs no traceback."""

from __future__ import annotations

import logging

import uvicorn

from app.errors import AppError
from app.main import create_app
from app.services import Services
from app.settings import Settings
from app.wiring import build_services


def run_server(settings: Settings) -> None:
    """Answer requests until told to stop; raises AppError when an expected failure prevents the start."""
    failures: list[AppError] = []

    def build(settings: Settings) -> Services:
        try:
            return build_services(settings)
        except AppError as error:
            failures.append(error)
            raise

    server_log = logging.getLogger("uvicorn.error")
    server_log.addFilter(lambda _: not failures)  # it would log the traceback
    try:
        uvicorn.run(
            create_app(settings, build),
            host=settings.host,
            port=settings.api_port,
            log_level=settings.log_level.lower(),
        )
    except SystemExit:
        if failures:
            raise failures[0] from None
        raise
