"""The OpenAPI description of expected errors, taken from the error classes themselves."""

from __future__ import annotations

from typing import Any

from app.errors import AppError, ErrorBody

Responses = dict[int | str, dict[str, Any]]


def error_responses(*errors: type[AppError]) -> Responses:
    """The `responses` of a route that may raise these errors, each with an example body."""
    responses: Responses = {}
    for error in errors:
        response = responses.setdefault(
            error.status_code, {"model": ErrorBody, "description": _title(error), "content": _json_content()}
        )
        response["content"]["application/json"]["examples"][error.code] = {"value": _example(error)}
    return responses


def _json_content() -> dict[str, Any]:
    return {"application/json": {"examples": {}}}


def _title(error: type[AppError]) -> str:
    return {
        403: "The request came by another name, or from another site.",
        404: "The row is not there, or not yours.",
        409: "The state of the row does not allow this.",
        410: "It was there and is gone for good.",
        413: "Something is too large.",
        422: "A field is wrong or unknown.",
        503: "The service is not ready.",
        507: "The disk is full.",
    }.get(error.status_code, "The request failed.")


def _example(error: type[AppError]) -> dict[str, Any]:
    doc = (error.__doc__ or "").strip().splitlines()
    cause = doc[0] if doc else f"The reason, for a person ({error.code})."
    return error(cause).body().model_dump()
