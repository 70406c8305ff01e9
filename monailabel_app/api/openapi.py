"""What the server says of its own routes: those that it offers, each once, and its token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from d24fad_core import RESEARCH_USE_ONLY, __version__
from monailabel_app.api.gate import is_closed

_OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")
_ERROR = {
    "type": "object",
    "required": ["error", "detail"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "remedy"],
            "properties": {name: {"type": "string"} for name in ("code", "message", "remedy")},
        },
        "detail": {"type": "string", "description": "Message and remedy in one."},
    },
}


def describe_routes(server: FastAPI, *, token: bool) -> None:
    """Let `/openapi.json` list what is offered.

    Args:
        server: the application, with all of its routes.
        token: whether every request must carry the token.
    """

    def openapi() -> dict[str, Any]:
        if server.openapi_schema is None:
            server.openapi_schema = _document(server, token)
        return server.openapi_schema

    server.openapi_schema = None
    server.openapi = openapi  # type: ignore[method-assign]


def _document(server: FastAPI, token: bool) -> dict[str, Any]:
    document = get_openapi(
        title="D24FAD",
        version=__version__,
        description=RESEARCH_USE_ONLY,
        # Of two with one address the first is asked, and the last is described.
        routes=list(reversed(server.routes)),
    )
    document["paths"] = {
        path: open_operations
        for path, operations in sorted(document["paths"].items())
        if (open_operations := _open_operations(path, operations))
    }
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes.clear()  # the stock server's passwords are not asked for here
    schemes["token"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "The operator's D24FAD_SERVER_TOKEN, where one is set.",
    }
    for path in document["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
            _describe_errors(operation)
    schemas = document["components"].setdefault("schemas", {})
    for name in _OF_THE_FRAMEWORK:
        schemas.pop(name, None)
    schemas["Error"] = _ERROR
    document["security"] = [{"token": []}] if token else []
    return document


def _describe_errors(operation: dict[str, Any]) -> None:
    """Errors of all routes are answered alike, see `error_answers`, never by FastAPI's own 422."""
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "Refused, or failed.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _open_operations(path: str, operations: dict[str, Any]) -> dict[str, Any]:
    """The operations of a path without those that are closed."""
    return {
        method: operation
        for method, operation in operations.items()
        if not is_closed(method.upper(), path)
    }
