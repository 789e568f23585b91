"""Every failed request answers with an `ErrorBody`, whatever went wrong."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from app.db_failures import explained
from app.errors import AppError, ErrorBody, InvalidRequest

log = logging.getLogger(__name__)

RETRY_AFTER_S = "2"


def install_error_handlers(app: FastAPI) -> None:
    """Registers one handler for each family of failures."""
    app.add_exception_handler(AppError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(Exception, _unexpected)


def respond(error: AppError) -> JSONResponse:
    """The response of an expected failure."""
    headers = {"Retry-After": RETRY_AFTER_S} if error.status_code in {429, 503} else None
    return JSONResponse(error.body().model_dump(mode="json"), error.status_code, headers)


def _expected(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    return respond(error)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Names each field; the rejected values themselves are not repeated."""
    assert isinstance(error, RequestValidationError)
    fields = [
        {"field": ".".join(str(part) for part in item["loc"]), "message": str(item["msg"])}
        for item in error.errors()
    ]
    cause = "; ".join(f"{field['field']}: {field['message']}" for field in fields)
    return respond(InvalidRequest(cause, fields=fields))


def _http(_request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses: unknown paths and methods, unreadable bodies."""
    assert isinstance(error, HTTPException)
    known = {
        404: ("route_not_found", "There is no such path.", "See /docs for the paths."),
        405: ("method_not_allowed", "This path does not take that method.", "See /docs for the methods."),
    }
    code, cause, next_step = known.get(
        error.status_code, ("request_invalid", str(error.detail), "See /docs for what is expected.")
    )
    body = ErrorBody(code=code, stage="request", cause=cause, next_step=next_step)
    return JSONResponse(body.model_dump(mode="json"), error.status_code, error.headers)


def _database(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DBAPIError)
    log.error("%s %s: the database failed", request.method, request.url.path, exc_info=error)
    return respond(explained(error))


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return respond(AppError(f"The server failed while answering ({type(error).__name__})."))
