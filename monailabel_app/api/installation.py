"""Putting our routes and error answers into MONAI Label's FastAPI application."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from monailabel.config import settings
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelException,
)
from starlette.exceptions import HTTPException

from d24fad_core.errors import D24FADError
from monailabel_app.api import (
    calibration_routes,
    checkpoint_routes,
    datastore_routes,
    image_routes,
    infer_routes,
    job_routes,
    match_routes,
    proxy_routes,
    result_routes,
    review_routes,
    server_routes,
    support_set_routes,
    task_routes,
)
from monailabel_app.api.gate import Gate
from monailabel_app.failures import RequestError, body, refusal, refusal_of_status

if TYPE_CHECKING:
    from monailabel_app.monai_label.app import D24FADApp


# They log what clients send and what a PACS says, patients included.
_TALKATIVE = (
    "monailabel.datastore",
    "monailabel.endpoints",
    "monailabel.interfaces.app",
    "monailabel.utils",
)

_PARTS = (
    server_routes,
    image_routes,
    support_set_routes,
    job_routes,
    review_routes,
    result_routes,
    match_routes,
    calibration_routes,
    checkpoint_routes,
    infer_routes,
    datastore_routes,
    task_routes,
    proxy_routes,
)


def install_routes(server: FastAPI, app: D24FADApp) -> None:
    """Give the server our routes, ahead of the stock ones, and JSON errors for all of them."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Starlette freezes handlers at the first message, which is the one that builds this app.
    server.middleware_stack = None
    origins = [str(origin) for origin in settings.MONAI_LABEL_CORS_ORIGINS]
    server.add_middleware(Gate, configuration=app.configuration, origins=origins)
    for part in _PARTS:
        before = len(server.router.routes)
        server.include_router(part.router(app))
        added = server.router.routes[before:]
        server.router.routes[:] = [*added, *server.router.routes[:before]]
    for kind in (RequestError, D24FADError, MONAILabelException, OSError, ValueError, Exception):
        server.add_exception_handler(kind, _answer_error)
    server.add_exception_handler(HTTPException, _answer_status)
    server.add_exception_handler(RequestValidationError, _answer_validation)


async def _answer_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, (ImageNotFoundException, LabelNotFoundException)):
        error = RequestError("unknown_image", f"{error.msg}.", "Choose another one.")
    elif isinstance(error, json.JSONDecodeError):
        error = RequestError("bad_request", f"This is not JSON: {error}.", "Send JSON.")
    elif isinstance(error, MONAILabelException):
        error = RequestError("bad_request", error.msg, "See docs/http-api.md.")
    refused = refusal(error)
    headers = {"Retry-After": "10"} if refused.code == "queue_full" else None
    return JSONResponse(body(refused), refused.status, headers=headers)


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
