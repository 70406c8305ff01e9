"""Every refusal and failure as one kind of JSON answer."""

import json

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from d24fad_core.errors import D24FADError
from monailabel_app.failures import RequestError, body, refusal, refusal_of_status


def answer_errors(server: FastAPI) -> None:
    """Answer errors of all routes of a server as `docs/http-api.md` says."""
    for kind in (RequestError, D24FADError, OSError, ValueError, Exception):
        server.add_exception_handler(kind, answer_error)
    server.add_exception_handler(HTTPException, _answer_status)
    server.add_exception_handler(RequestValidationError, _answer_validation)


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Answer an exception of a route."""
    if isinstance(error, json.JSONDecodeError):
        error = RequestError("bad_request", f"This is not JSON: {error}.", "Send JSON.")
    failure = refusal(error)
    headers = {"Retry-After": "10"} if failure.code == "queue_full" else None
    return JSONResponse(body(failure), failure.status, headers=headers)


async def _answer_status(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return await answer_error(request, error)
    failure = refusal_of_status(error.status_code, str(error.detail))
    return JSONResponse(body(failure), failure.status, headers=error.headers)


async def _answer_validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        return await answer_error(request, error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    failure = RequestError(
        "bad_request", f"'{place}' is not valid: {first['msg']}.", "See docs/http-api.md."
    )
    return JSONResponse(body(failure), failure.status)
