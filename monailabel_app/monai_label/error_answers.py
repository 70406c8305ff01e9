"""MONAI Label's own exceptions as the JSON answers of our API."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelException,
)

from monailabel_app.api.error_answers import answer_error
from monailabel_app.failures import RequestError


def answer_monai_label_errors(server: FastAPI) -> None:
    """Answer what the stock routes and datastores raise as all else is answered."""
    server.add_exception_handler(MONAILabelException, _answer)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, (ImageNotFoundException, LabelNotFoundException)):
        error = RequestError("unknown_image", f"{error.msg}.", "Choose another one.")
    elif isinstance(error, MONAILabelException):
        error = RequestError("bad_request", error.msg, "See docs/http-api.md.")
    return await answer_error(request, error)
