"""Putting our routes and error answers into MONAI Label's FastAPI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from monailabel.interfaces.exception import MONAILabelException
from starlette.exceptions import HTTPException

from d24fad_core.errors import D24FADError
from monailabel_app.library.failures import RequestError, body, refusal, refusal_of_status
from monailabel_app.library.routes import (
    calibration,
    images,
    infer,
    jobs,
    results,
    reviews,
    support_sets,
)
from monailabel_app.library.routes import server as server_description

if TYPE_CHECKING:
    from monailabel_app.library.app import D24FADApp


_PARTS = (
    server_description,
    images,
    support_sets,
    jobs,
    reviews,
    results,
    calibration,
    infer,
)


def install_routes(server: FastAPI, app: D24FADApp) -> None:
    """Give the server our routes, ahead of the stock ones, and JSON errors for all of them."""
    # Starlette freezes handlers at the first message, which is the one that builds this app.
    server.middleware_stack = None
    for part in _PARTS:
        before = len(server.router.routes)
        server.include_router(part.router(app))
        added = server.router.routes[before:]
        server.router.routes[:] = [*added, *server.router.routes[:before]]
    for kind in (RequestError, D24FADError, MONAILabelException, MemoryError, OSError, Exception):
        server.add_exception_handler(kind, _answer_error)
    server.add_exception_handler(HTTPException, _answer_status)
    server.add_exception_handler(RequestValidationError, _answer_validation)


async def _answer_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, MONAILabelException):
        error = RequestError("bad_request", error.msg, "See docs/http-api.md.")
    refused = refusal(error)
    return JSONResponse(body(refused), refused.status)


async def _answer_status(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return await _answer_error(request, error)
    refused = refusal_of_status(error.status_code, str(error.detail))
    return JSONResponse(body(refused), refused.status, headers=error.headers)


async def _answer_validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        return await _answer_error(request, error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    refused = RequestError(
        "bad_request", f"'{place}' is not valid: {first['msg']}.", "See docs/http-api.md."
    )
    return JSONResponse(body(refused), refused.status)
