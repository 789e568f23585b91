"""Refuses query parameters that a route does not declare: a typo must not be silently ignored."""

from __future__ import annotations

from functools import lru_cache

from fastapi import FastAPI, Request

from app.errors import InvalidRequest


def refuse_unknown_query(request: Request) -> None:
    """Raises InvalidRequest naming the parameters; a dependency of every route."""
    if not request.query_params:
        return
    route = request.scope["route"]
    known = _declared(request.app).get((route.path_format, request.method.lower()), frozenset())
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise InvalidRequest(
            f"Unknown query parameter {', '.join(unknown)}.",
            next_step=f"This path knows: {', '.join(sorted(known)) or 'none'}.",
            fields=[{"field": f"query.{name}", "message": "unknown parameter"} for name in unknown],
        )


@lru_cache(maxsize=8)
def _declared(app: FastAPI) -> dict[tuple[str, str], frozenset[str]]:
    """(path, method) to its query parameters, from the same description that clients read."""
    return {
        (path, method): frozenset(
            parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"
        )
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
